import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plot } from '../../lib/draw/index.js'
import { planOf } from './plan.js'

function count(): void {}

test('F5 Mermaid: shapes, ways and labels', async () => {
  const plan = planOf([
    { name: 'extract', uses: './read.js#Pages', timeout: 5000 },
    { name: 'embed', parallel: 3, uses: count },
    { name: 'far', external: true, host: 'gpu', needs: 'extract' },
    { name: 'store', needs: ['embed', 'far'], join: 'merge' },
    { name: 'audit', uses: count, needs: 'extract', floating: true },
  ])
  assert.is(
    await plot(plan, undefined, { format: 'mmd' }),
    `flowchart LR
  n0(["gateway"])
  n1("<b>extract</b><br/>read.js#35;Pages<br/>timeout 5 s")
  n2[["<b>embed</b><br/>count()<br/>×3 ANY"]]
  n3("<b>far</b><br/>gpu<br/>external"):::external
  n4("<b>store</b><br/>join merge")
  n5("<b>audit</b><br/>count()<br/>floating"):::floating
  n6(["gateway"])
  n0 --> n1
  n1 --> n2
  n1 --> n3
  n2 --> n4
  n3 --> n4
  n1 -.-> n5
  n4 --> n6
  classDef floating stroke-dasharray:5 4
  classDef external stroke:#0f8a80,stroke-width:2px
`,
  )
})

test('F5 Mermaid: nothing in a label ends it, or means something to Markdown or HTML', async () => {
  const text = await plot(planOf([{ name: 'end', uses: 'x"];<b>`*_#&~' }]), undefined, { format: 'mmd', direction: 'down' })
  assert.match(text, /^flowchart TD\n/)
  assert.match(text, '  n1("<b>end</b><br/>x#34;#93;#59;#60;b#62;#96;#42;#95;#35;#38;#126;")\n')
})

test.run()
