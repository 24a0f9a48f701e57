import { test } from 'uvu'
import { contract } from './contract.js'
import { inline } from './ways.js'

contract(test, inline)
test.run()
