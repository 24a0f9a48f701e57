import { test } from 'uvu'
import { workers } from './workers.js'

workers(test, 'thread')
test.run()
