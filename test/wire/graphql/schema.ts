import { buildClientSchema, getIntrospectionQuery, printType } from 'graphql'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../../lib/flow/flow.js'
import { serve } from '../../support/graphql.js'

const ARGUMENTS = [
  'data: [StrawberryDocumentInput!] = null',
  'targetExecutor: String = null',
  'parameters: JSONScalar = null',
  'execEndpoint: String! = "/search"',
]
const NESTED = ['evaluations: [NamedScoreItem!]', 'scores: [NamedScoreItem!]', 'chunks: [StrawberryDocument!]', 'matches: [StrawberryDocument!]']
const FIELDS = [
  'id: String',
  'parentId: String',
  'granularity: Int',
  'adjacency: Int',
  'blob: Base64',
  'tensor: NdArray',
  'mimeType: String',
  'text: String',
  'weight: Float',
  'uri: String',
  'tags: JSONScalar',
  'offset: Float',
  'location: [Float!]',
  'embedding: NdArray',
  'modality: String',
  ...NESTED,
]

test("G2: the schema is Jina's, as a client sees it", async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  const { data } = await server.ask(getIntrospectionQuery())
  const schema = buildClientSchema(data)
  const fieldsOf = (type: string) => {
    const text = printType(schema.getType(type)!).replace(/"""[\s\S]*?"""/g, '')
    return text
      .slice(text.indexOf('{') + 1, text.lastIndexOf('}'))
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
  }
  for (const root of ['Query', 'Mutation']) assert.equal(fieldsOf(root), ['docs(', ...ARGUMENTS, '): [StrawberryDocument!]!'])
  assert.equal(fieldsOf('Subscription'), [
    'docs(',
    ...ARGUMENTS,
    'requestSize: Int = 100',
    'resultsInOrder: Boolean = false',
    'partial: Boolean = true',
    '): DocsResponse!',
  ])
  assert.equal(fieldsOf('StrawberryDocument'), FIELDS)
  assert.equal(
    fieldsOf('StrawberryDocumentInput'),
    FIELDS.map((field) => field.replace(/(NamedScoreItem|StrawberryDocument)!/, '$1Input!')),
  )
  assert.equal(fieldsOf('NamedScoreItem'), ['name: String!', 'score: NamedScore!'])
  assert.equal(fieldsOf('NamedScoreItemInput'), ['name: String!', 'score: NamedScoreInput!'])
  assert.equal(fieldsOf('NamedScore'), ['value: Float', 'opName: String', 'description: String', 'refId: String'])
})

test.run()
