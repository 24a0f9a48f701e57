import { test } from 'uvu'
import { property, served } from './property.js'

property(test, served('grpc'), 0.1)

test.run()
