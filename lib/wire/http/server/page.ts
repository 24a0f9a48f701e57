import type { Headers } from './exchange.js'

/** Nothing comes from, goes to, or frames the page but its own server. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const SAFE: Headers = { 'content-security-policy': POLICY, 'referrer-policy': 'no-referrer' }

/** The page that explains `/openapi.json` and tries requests, and its two files. No other host is asked for anything. */
export function asset(path: string): { body: string; headers: Headers } {
  if (path.endsWith('.js')) return { body: SCRIPT, headers: { ...SAFE, 'content-type': 'text/javascript; charset=utf-8' } }
  if (path.endsWith('.css')) return { body: STYLE, headers: { ...SAFE, 'content-type': 'text/css; charset=utf-8' } }
  return { body: HTML, headers: { ...SAFE, 'content-type': 'text/html; charset=utf-8' } }
}

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
<main id="page"><p>Reading <a href="openapi.json">openapi.json</a> …</p></main>
<script src="docs/page.js"></script>
</body>
</html>
`

const STYLE = `:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 56rem; margin: 0 auto; padding: 1rem }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem }
details { border: 1px solid #8886; border-radius: 6px; margin: .5rem 0; padding: 0 .75rem }
summary { cursor: pointer; padding: .5rem 0 }
code, pre, textarea, input { font: 14px/1.4 ui-monospace, monospace }
pre { overflow: auto; max-height: 24rem; padding: .5rem; background: #8882; border-radius: 4px; white-space: pre-wrap; overflow-wrap: anywhere }
textarea { width: 100%; min-height: 8rem; box-sizing: border-box }
label { display: block; margin: .25rem 0 }
b.method { display: inline-block; min-width: 4.5rem }
`

/** Runs in browsers. All that comes from the service is set as text, never as HTML. */
const SCRIPT = `'use strict'
const make = (name, text, ...inside) => {
  const element = document.createElement(name)
  if (text) element.textContent = text
  element.append(...inside)
  return element
}

async function send(method, path, type, body, accept, output) {
  output.textContent = '…'
  try {
    const headers = { accept }
    if (body !== undefined) headers['content-type'] = type
    const response = await fetch('.' + path, { method, headers, body })
    output.textContent = response.status + ' ' + response.statusText + '\\n'
    if (!response.body) return
    const decoder = new TextDecoder()
    let text = ''
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value, { stream: true })
      output.textContent = response.status + ' ' + response.statusText + '\\n' + text
    }
    try {
      output.textContent = response.status + ' ' + response.statusText + '\\n' + JSON.stringify(JSON.parse(text), null, 2)
    } catch {}
  } catch (error) {
    output.textContent = String(error)
  }
}

function choice(label, values) {
  const select = make('select', '', ...values.map((value) => make('option', value)))
  return [make('label', label + ' ', select), select]
}

const GENERAL = ['Document', 'Request', 'EndpointRequest', 'Response', 'AnyRequest', 'AnyResponse']

const named = (schema) => schema && schema.$ref ? schema.$ref.split('/').pop() : ''

// What a schema says, with what it names in its place.
function whole(schema, schemas, depth) {
  if (Array.isArray(schema)) return schema.map((one) => whole(one, schemas, depth))
  if (!schema || typeof schema !== 'object') return schema
  const name = named(schema)
  if (name && !GENERAL.includes(name) && schemas[name] && depth > 0) return whole(schemas[name], schemas, depth - 1)
  return Object.fromEntries(Object.entries(schema).map(([key, one]) => [key, whole(one, schemas, depth)]))
}

// A value that fits a schema, more or less.
function sampleOf(schema, schemas, depth) {
  if (!schema || typeof schema !== 'object' || depth < 0) return null
  if (schema.$ref) return sampleOf(schemas[named(schema)], schemas, depth - 1)
  if ('default' in schema) return schema.default
  if (schema.examples) return schema.examples[0]
  if ('const' in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => sampleOf(one, schemas, depth)))
  if (schema.oneOf || schema.anyOf) return sampleOf((schema.oneOf || schema.anyOf)[0], schemas, depth)
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'string': return schema.format === 'date-time' ? new Date(0).toISOString() : 'text'
    case 'integer': case 'number': return Math.max(schema.minimum || 0, schema.exclusiveMinimum + 1 || 0)
    case 'boolean': return false
    case 'array': return [sampleOf(schema.items, schemas, depth - 1)]
    case 'object': return Object.fromEntries((schema.required || []).map((key) => [key, sampleOf((schema.properties || {})[key], schemas, depth - 1)]))
    default: return {}
  }
}

// What an endpoint asks for, or answers, where it says more than any.
function said(title, content, schemas) {
  const schema = ((content || {})['application/json'] || {}).schema
  const name = named(schema)
  if (!name || GENERAL.includes(name)) return []
  return [make('details', '', make('summary', title + ': ' + name), make('pre', JSON.stringify(whole(schema, schemas, 8), null, 2)))]
}

function operation(path, method, about, schemas) {
  const name = method.toUpperCase()
  const verb = make('b', name)
  verb.className = 'method'
  const details = make('details', '', make('summary', '', verb, make('code', path), ' ' + (about.summary || '')))
  if (about.description) details.append(make('p', about.description))
  const accepts = Object.keys((about.responses['200'] || {}).content || { 'application/json': 0 })
  const [acceptLabel, accept] = choice('Accept', accepts)
  const output = make('pre')
  const button = make('button', 'Send')
  let type, body
  const options = []
  if (about.requestBody) {
    const [typeLabel, select] = choice('Content-Type', Object.keys(about.requestBody.content))
    type = select
    body = make('textarea')
    const name = named(about.requestBody.content['application/json'].schema)
    const document = { data: {}, parameters: {} }
    if (!GENERAL.includes(name)) {
      const { properties } = schemas[name].allOf[1]
      if (properties.data) document.data = sampleOf(properties.data.oneOf[1], { ...schemas, Document: {} }, 12)
      if (properties.parameters) document.parameters = sampleOf(properties.parameters, schemas, 12)
    }
    const sample = () => {
      body.value = type.value === 'application/json'
        ? JSON.stringify({ data: [{ text: 'hello', ...document.data }], parameters: document.parameters, ...(path === '/post' && { execEndpoint: '/' }) }, null, 2)
        : '{"text":"hello"}\\n{"text":"world"}\\n'
    }
    type.addEventListener('change', sample)
    sample()
    details.append(typeLabel, body)
  }
  for (const { name, description } of about.parameters || []) {
    const input = make('input')
    options.push([name, input])
    details.append(make('label', name + ' ', input, ' ' + (description || '')))
  }
  button.addEventListener('click', () => {
    const query = new URLSearchParams(options.filter(([, input]) => input.value !== '').map(([name, input]) => [name, input.value]))
    const tail = query.size || String(query) ? '?' + query : ''
    send(name, path + tail, type && type.value, body && body.value, accept.value, output)
  })
  details.append(...said('Takes', (about.requestBody || {}).content, schemas), ...said('Gives', (about.responses['200'] || {}).content, schemas))
  details.append(acceptLabel, button, output)
  return details
}

async function show() {
  const page = document.getElementById('page')
  try {
    const api = await (await fetch('./openapi.json')).json()
    document.title = api.info.title
    const groups = new Map()
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, about] of Object.entries(methods)) {
        const tag = (about.tags || ['Other'])[0]
        if (!groups.has(tag)) groups.set(tag, [])
        groups.get(tag).push(operation(path, method, about, api.components.schemas))
      }
    }
    const link = make('a', 'openapi.json')
    link.href = './openapi.json'
    page.replaceChildren(make('h1', api.info.title), make('p', api.info.description), make('p', '', link))
    for (const [tag, operations] of [...groups].reverse()) page.append(make('h2', tag), ...operations)
    page.append(make('h2', 'Schemas'), make('pre', JSON.stringify(api.components.schemas, null, 2)))
  } catch (error) {
    page.textContent = 'openapi.json cannot be read: ' + error
  }
}

show()
`
