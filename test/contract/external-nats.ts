import { test } from 'uvu'
import { contract } from './contract.js'
import { external } from './ways.js'

contract(test, external('nats'))
test.run()
