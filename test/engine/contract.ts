import { test } from 'uvu'
import { contract } from '../contract/contract.js'
import { container } from './containers.js'
import { withEngine } from './engine.js'

withEngine(test, (image) => contract(test, container(image)))
test.run()
