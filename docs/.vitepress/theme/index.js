import DefaultTheme from 'vitepress/theme-without-fonts'
import { h } from 'vue'
import flow from '../../flow.svg'
import './style.css'

const picture = () => h('img', { class: 'hero-flow', src: flow, alt: 'A Flow: extract forks to translate and split; their answers join at store' })

export default { extends: DefaultTheme, Layout: () => h(DefaultTheme.Layout, null, { 'home-hero-image': picture }) }
