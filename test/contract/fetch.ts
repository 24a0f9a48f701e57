import { test } from 'uvu'
import { contract } from './contract.js'
import { fetched } from './ways.js'

contract(test, fetched)
test.run()
