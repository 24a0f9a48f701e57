import { test } from 'uvu'
import { property, served } from './property.js'

property(test, served('websocket'), 0.1)

test.run()
