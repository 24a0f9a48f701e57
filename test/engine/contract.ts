import { test } from 'uvu'
import { contract } from '../contract/contract.js'
import { container } from './containers.js'
import { withEngine } from './engine.js'

withEngine(test, (image) => {
  const way = container(image)
  // As long as there is one, who removes what is left need not be begun anew for each row.
  let held: AsyncDisposable | undefined
  test.before(async () => {
    held = await way.open([{ name: 'held' }])
  })
  contract(test, way)
  test.after(() => held?.[Symbol.asyncDispose]() as Promise<void>)
})
test.run()
