import { test } from 'uvu'
import { contract } from './contract.js'
import { client } from './ways.js'

contract(test, client('nats'))
test.run()
