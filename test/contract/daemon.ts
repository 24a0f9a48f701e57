import { test } from 'uvu'
import { contract } from './contract.js'
import { daemon } from './ways.js'

contract(test, daemon)
test.run()
