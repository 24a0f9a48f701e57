// One body of 8 MiB is read, made and written in turns with others. How many milliseconds a turn takes is measured by bench/held.ts.
import { test } from 'uvu'
import { letsOthersIn } from '../support/gap.js'
import { within } from '../support/within.js'
import { WAYS } from './held-ways.js'

for (const { name, share, open } of WAYS)
  test(`148: ${name}`, async () => {
    await using way = await open()
    await letsOthersIn(share, () => within(60_000, way.once()))
  })

test.run()
