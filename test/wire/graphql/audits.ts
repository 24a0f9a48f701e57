import { serverAudits } from 'graphql-http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../../lib/flow/flow.js'
import { serve } from '../../support/graphql.js'
import { within } from '../../support/within.js'

test('G2: all 61 audits of GraphQL over HTTP pass', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  const audits = serverAudits({ url: server.url, fetchFn: fetch })
  assert.is(audits.length, 61)
  const results = await within(20_000, Promise.all(audits.map((audit) => audit.fn())))
  assert.equal(
    results.filter(({ status }) => status !== 'ok').map(({ id, name }) => `${id} ${name}`),
    [],
  )
})

test.run()
