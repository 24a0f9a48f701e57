import { test } from 'uvu'
import { contract } from './contract.js'
import { graphql } from './ways.js'

contract(test, graphql)
test.run()
