import { test } from 'uvu'
import { contract } from './contract.js'
import { place } from './ways.js'

contract(test, place('thread'))
test.run()
