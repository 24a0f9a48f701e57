// GraphiQL, as the browser runs it. Bundled by build.mjs beside this file; nothing is fetched from elsewhere.
import 'graphiql/graphiql.css'
import { GraphiQL } from 'graphiql'
import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
import { fetcher } from './fetcher.mjs'

const EXAMPLE = `# Documents go in as data, and come back from the executors.
mutation {
  docs(data: { text: "abcd" }, execEndpoint: "/search") {
    id
    text
    matches {
      text
      scores { name score { value } }
    }
  }
}
`

// A link to an operation: shown, and run when somebody says so.
const link = new URLSearchParams(location.search)
const shown = link.has('query') ? { query: link.get('query'), variables: link.get('variables') ?? '' } : {}

createRoot(document.getElementById('graphiql')).render(
  createElement(GraphiQL, { fetcher: fetcher(location.pathname), defaultQuery: EXAMPLE, defaultEditorToolsVisibility: 'variables', ...shown }),
)
