import { COLORS } from '../../design.js'
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

/** With the shapes of the live page (`live/page.css`). */
const STYLE = `${COLORS}* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
main { max-width: 60rem; margin: 0 auto; padding: .75rem 1rem 2rem }
h1 { font-size: 1.35rem; margin: 0; overflow-wrap: anywhere }
h2 { margin: 1.75rem 0 .5rem; font-size: 1rem }
a { color: var(--accent) }
details { border: 1px solid var(--border); border-radius: 10px; margin: .5rem 0; padding: 0 1rem; background: var(--card) }
details[open] { padding-bottom: 1rem }
details details { background: none; border-radius: 6px }
summary { cursor: pointer; position: relative; padding: .55rem 1.5rem .55rem 0; display: flex; flex-wrap: wrap; gap: .1rem .75rem; align-items: baseline; list-style: none; overflow-wrap: anywhere }
summary::-webkit-details-marker { display: none }
summary::after { content: "+"; position: absolute; right: 0; top: .55rem; color: var(--quiet) }
[open] > summary::after { content: "−" }
code, pre, textarea, input { font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
summary > code { font-weight: 600 }
.quiet { color: var(--quiet) }
.method { min-width: 4.6rem; text-align: center; font-size: .8rem; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .5rem; color: var(--quiet) }
.get { color: var(--accent) }
.post { color: var(--good) }
.put, .patch { color: var(--warn) }
.delete { color: var(--bad) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--track) }
th { color: var(--quiet); font-weight: 600 }
pre { overflow: auto; max-height: 24rem; margin: .75rem 0 0; padding: .6rem; background: var(--page); border: 1px solid var(--track); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere }
pre:empty { display: none }
textarea { width: 100%; min-height: 9rem; resize: vertical }
textarea, input, select { background: var(--page); color: var(--text); border: 1px solid var(--line); border-radius: 6px; padding: .35rem .5rem; max-width: 100% }
label { display: block; margin: .5rem 0; color: var(--quiet) }
button { font: inherit; font-weight: 600; background: var(--accent); color: var(--on-accent); border: 0; border-radius: 6px; padding: .4rem 1.1rem; cursor: pointer }
`

/** Runs in browsers. All that comes from the service is set as text, never as HTML. */
const SCRIPT = `'use strict'
const make = (name, text, ...inside) => {
  const element = document.createElement(name)
  if (text) element.textContent = text
  element.append(...inside)
  return element
}

const quiet = (text) => Object.assign(make('span', text), { className: 'quiet' })

// Text in which code stands between backticks.
const prose = (name, text) => make(name, '', ...String(text || '').split('\`').map((part, at) => (at % 2 ? make('code', part) : part)))

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

// What kind of value it is, in a word or two.
function kindOf(schema) {
  if (!schema || typeof schema !== 'object') return 'anything'
  if (schema.$ref) return named(schema)
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' | ')
  const several = schema.oneOf || schema.anyOf
  if (several) return [...new Set(several.map(kindOf))].join(' | ')
  if (schema.allOf) return schema.allOf.map(kindOf).join(' & ')
  const types = [schema.type || (schema.properties ? 'object' : 'anything')].flat()
  return types.map((type) => (type === 'array' ? 'list of ' + kindOf(schema.items) : type)).join(' | ')
}

// What is in an object: a row for each field, those of what it builds upon too.
function fieldsOf(schema, schemas, depth) {
  if (!schema || depth < 0) return []
  if (schema.$ref) return fieldsOf(schemas[named(schema)], schemas, depth - 1)
  const own = Object.entries(schema.properties || {}).map(([name, one]) => [name, one, (schema.required || []).includes(name)])
  return [...(schema.allOf || []).flatMap((one) => fieldsOf(one, schemas, depth - 1)), ...own]
}

function table(schema, schemas) {
  // Who builds upon it says more.
  const rows = new Map(fieldsOf(schema, schemas, 8).map((row) => [row[0], row]))
  if (rows.size === 0) return []
  const head = ['Field', 'Kind', 'About'].map((title) => Object.assign(make('th', title), { scope: 'col' }))
  const body = [...rows.values()].map(([name, one, required]) =>
    make('tr', '', make('td', '', make('code', name), ...(required ? [quiet(' required')] : [])), make('td', '', make('code', kindOf(one))), prose('td', (one || {}).description)))
  const scroll = make('div', '', make('table', '', make('thead', '', make('tr', '', ...head)), make('tbody', '', ...body)))
  scroll.className = 'scroll'
  return [scroll]
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
  return [make('details', '', make('summary', title + ': ' + name), ...table(schema, schemas), make('pre', JSON.stringify(whole(schema, schemas, 8), null, 2)))]
}

// One that is there, where any is known.
function endpointOf(schemas) {
  const { execEndpoint } = schemas.EndpointRequest.properties
  return (execEndpoint.examples || [execEndpoint.default])[0]
}

function operation(path, method, about, schemas) {
  const name = method.toUpperCase()
  const verb = make('b', name)
  verb.className = 'method ' + method
  const details = make('details', '', make('summary', '', verb, make('code', path), quiet(about.summary || '')))
  if (about.description) details.append(prose('p', about.description))
  const accepts = Object.keys((about.responses['200'] || {}).content || { 'application/json': 0 })
  const [acceptLabel, accept] = choice('Accept', accepts)
  const output = Object.assign(make('pre'), { ariaLive: 'polite', ariaLabel: 'Answer' })
  const button = make('button', 'Send')
  let type, body
  const options = []
  if (about.requestBody) {
    const [typeLabel, select] = choice('Content-Type', Object.keys(about.requestBody.content))
    type = select
    body = Object.assign(make('textarea'), { ariaLabel: 'Body', spellcheck: false })
    const name = named(about.requestBody.content['application/json'].schema)
    const document = { data: {}, parameters: {} }
    if (!GENERAL.includes(name)) {
      const { properties } = schemas[name].allOf[1]
      if (properties.data) document.data = sampleOf(properties.data.oneOf[1], { ...schemas, Document: {} }, 12)
      if (properties.parameters) document.parameters = sampleOf(properties.parameters, schemas, 12)
    }
    const sample = () => {
      body.value = type.value === 'application/json'
        ? JSON.stringify({ data: [{ text: 'hello', ...document.data }], parameters: document.parameters, ...(path === '/post' && { execEndpoint: endpointOf(schemas) }) }, null, 2)
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
    const links = make('p', '', link)
    if (api.paths['/ui']) links.append(' · ', Object.assign(make('a', 'Live page'), { href: './ui' }))
    page.replaceChildren(make('h1', api.info.title), prose('p', api.info.description), links)
    for (const [tag, operations] of [...groups].reverse()) page.append(make('h2', tag), ...operations)
    const { schemas } = api.components
    const shapes = Object.entries(schemas).map(([name, schema]) =>
      make('details', '', make('summary', '', make('code', name)), ...table(schema, schemas), make('pre', JSON.stringify(schema, null, 2))))
    page.append(make('h2', 'Schemas'), ...shapes)
  } catch (error) {
    page.textContent = 'openapi.json cannot be read: ' + error
  }
}

show()
`
