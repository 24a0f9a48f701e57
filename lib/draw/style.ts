import type { ChipKind } from './labels.js'

/** `'auto'` follows whoever looks: light, or dark where dark is preferred. */
export type Theme = 'auto' | 'light' | 'dark'

interface Colors {
  readonly page: string
  readonly card: string
  readonly border: string
  readonly shade: string
  readonly name: string
  readonly origin: string
  readonly line: string
  readonly gateway: string
  readonly onGateway: string
  readonly external: string
  readonly chips: Readonly<Record<ChipKind, readonly [paper: string, ink: string]>>
}

const LIGHT: Colors = {
  page: '#ffffff',
  card: '#ffffff',
  border: '#cfd6de',
  shade: '#eef1f4',
  name: '#1f2328',
  origin: '#59636e',
  line: '#8b95a1',
  gateway: '#4f46e5',
  onGateway: '#ffffff',
  external: '#0f8a80',
  chips: {
    join: ['#f1eafd', '#6033b0'],
    replicas: ['#e1f0fe', '#0b4fa6'],
    when: ['#fdf1cf', '#7a4b00'],
    batch: ['#ddf6e3', '#12612b'],
    limit: ['#eef0f3', '#454d57'],
    place: ['#d9f5f1', '#0b5f58'],
  },
}

const DARK: Colors = {
  page: '#0d1117',
  card: '#1a2029',
  border: '#414a56',
  shade: '#151a21',
  name: '#f0f3f6',
  origin: '#9aa4b0',
  line: '#717b88',
  gateway: '#6d66f2',
  onGateway: '#ffffff',
  external: '#35b5a9',
  chips: {
    join: ['#33264d', '#d3b5ff'],
    replicas: ['#16324f', '#8cc6ff'],
    when: ['#42330f', '#f0c95a'],
    batch: ['#163b22', '#84e19a'],
    limit: ['#2c333d', '#c4ccd6'],
    place: ['#12403d', '#7fdfd5'],
  },
}

// Without quotation marks: resvg reads no list that has one in its midst.
const SANS = 'system-ui, -apple-system, Segoe UI, Helvetica Neue, Roboto, Inter, Noto Sans, Liberation Sans, Arial, DejaVu Sans, sans-serif'
const MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, Roboto Mono, Noto Sans Mono, Liberation Mono, DejaVu Sans Mono, monospace'

const FORM = `.sluice text{font-family:${SANS}}
.sluice .name{font-size:14px;font-weight:600}
.sluice .origin{font-size:11px;font-family:${MONO}}
.sluice .chip{font-size:10.5px;text-anchor:middle}
.sluice .pill{text-anchor:middle}
.sluice .line{fill:none;stroke-width:1.5}
.sluice .mark{fill:none;stroke-width:1.4;stroke-linecap:round}
.sluice .floating{stroke-dasharray:5 4}`

function colors({ card, border, shade, name, origin, line, gateway, onGateway, external, chips }: Colors): string {
  const rules = [
    `.card{fill:${card};stroke:${border}}`,
    `.back{fill:${shade};stroke:${border}}`,
    `.external{stroke:${external}}`,
    `.ring,.mark{fill:none;stroke:${external}}`,
    `.name{fill:${name}}`,
    `.origin{fill:${origin}}`,
    `.line{stroke:${line}}`,
    `.head{fill:${line}}`,
    `.gateway{fill:${gateway}}`,
    `.pill{fill:${onGateway}}`,
    ...Object.entries(chips).flatMap(([kind, [paper, ink]]) => [`.on-${kind}{fill:${paper}}`, `.of-${kind}{fill:${ink}}`]),
  ]
  return rules.map((rule) => rule.replace(/\.[\w-]+(?=[,{])/g, '.sluice $&')).join('\n')
}

/** The style of a picture: plain rules without variables, which renderers beside browsers know too. */
export function styleOf(theme: Theme): string {
  if (theme === 'dark') return `${FORM}\n${colors(DARK)}`
  return `${FORM}\n${colors(LIGHT)}${theme === 'light' ? '' : `\n@media (prefers-color-scheme:dark){\n${colors(DARK)}\n}`}`
}

/** What a picture lies on where nothing may shine through. */
export function pageOf(theme: 'light' | 'dark'): string {
  return (theme === 'light' ? LIGHT : DARK).page
}
