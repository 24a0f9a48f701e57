import { test } from 'uvu'
import { property } from './property.js'

property(test, { name: 'in process', connect: (flow) => ({ post: (...given) => flow.post(...given), close: async () => {} }) }, 0.7)

test.run()
