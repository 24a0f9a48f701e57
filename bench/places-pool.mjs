// The same work for workerpool, which wants to be told of it.
import workerpool from 'workerpool'
import { deadly } from './places-work.mjs'

workerpool.worker({ deadly })
