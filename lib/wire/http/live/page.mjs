// The live page. What comes from the service, names and texts of others among it, is set as text: nothing here is ever read as HTML.

const $ = (id) => document.getElementById(id)
const whole = new Intl.NumberFormat('en')
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const KEPT = 100

function put(node, attributes, inside) {
  for (const [name, value] of Object.entries(attributes ?? {})) if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value)
  node.append(...inside.filter((one) => one !== undefined))
  return node
}
const make = (tag, attributes, ...inside) => put(document.createElement(tag), attributes, inside)
const draw = (tag, attributes, ...inside) => put(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, inside)

/** Sets what has changed: a screen reader is not told again what it knows. */
function say(node, text, kind) {
  if (node.textContent !== text) node.textContent = text
  if (kind !== undefined && node.getAttribute('class') !== kind) node.setAttribute('class', kind)
}

const ms = (time) =>
  time === undefined || time === null
    ? '–'
    : time >= 10_000
      ? `${(time / 1000).toFixed(1)} s`
      : `${time >= 100 ? Math.round(time) : Number(time.toFixed(time >= 10 ? 1 : 2))} ms`
const rate = (perSecond) => (perSecond >= 1000 ? short.format(perSecond) : String(perSecond ?? 0))
const plural = (count, noun) => `${whole.format(count)} ${noun}${count === 1 ? '' : 's'}`

function span(milliseconds) {
  const s = Math.floor(milliseconds / 1000)
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min`
  return s < 86_400 ? `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min` : `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`
}

// What is known.
let token = ''
let about = { executors: [] }
let status
let rates
let perExecutor = {}
/** By number, in their order; those that failed are kept for longer. */
let requests = new Map()

// ---- The service

const headers = (more) => ({ ...more, ...(token !== '' && { authorization: `Bearer ${token}` }) })

/** Events of a stream, each with its name and its data. */
async function* events(body) {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let text = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      text += decoder.decode(value, { stream: true })
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const [, name = ''] = /^event: (.*)$/m.exec(text.slice(0, end)) ?? []
        const [, data] = /^data: (.*)$/m.exec(text.slice(0, end)) ?? []
        text = text.slice(end + 2)
        if (data !== undefined) yield { name, data: JSON.parse(data) }
      }
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

let looking
let given = () => {}

/** Looks as long as somebody looks at this page. */
async function look() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10_000)) {
    if (document.hidden) await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }))
    looking = new AbortController()
    try {
      const response = await fetch('ui/events', { headers: headers(), cache: 'no-store', signal: looking.signal })
      if (response.status === 401) {
        $('door').hidden = false
        $('all').hidden = true
        if (token !== '') say($('denied'), 'That token is not let in.', 'bad')
        say($('state'), 'wants a token', 'badge')
        $('token').focus()
        await new Promise((resolve) => {
          given = resolve
        })
        pause = 250
        continue
      }
      if (!response.ok) throw new Error(String(response.status))
      $('door').hidden = true
      $('all').hidden = false
      for await (const { name, data } of events(response.body)) {
        pause = 250
        if (name === 'hello') hello(data)
        else if (name === 'tick') tick(data)
      }
    } catch {
      // It is asked again.
    }
    say($('state'), document.hidden ? 'waits until you look' : 'not reached, asking again', 'badge bad')
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) looking?.abort()
})

$('door').addEventListener('submit', (event) => {
  event.preventDefault()
  token = $('token').value.trim()
  $('token').value = ''
  given()
})

function hello(data) {
  about = data
  status = data.status
  perExecutor = {}
  rates = undefined
  requests = new Map()
  $('requests').replaceChildren()
  say($('title'), data.title)
  document.title = `${data.title} · sluice`
  say($('version'), `sluice ${data.version}`)
  $('endpoints').replaceChildren(...data.endpoints.filter((name) => name.startsWith('/')).map((value) => make('option', { value })))
  if ($('endpoint').value === '/' && data.endpoints.some((name) => name.startsWith('/') && name !== '/default'))
    $('endpoint').value = data.endpoints.find((name) => name.startsWith('/') && name !== '/default')
  if (!data.post) {
    $('send').disabled = true
    say($('sent'), 'This service has no /post (noDebugEndpoints), by which documents are sent from here.')
  }
  picture()
  for (const request of data.requests) note(request)
  show()
  list()
}

function tick(data) {
  status = data.status
  rates = data.rates
  perExecutor = data.executors
  for (const request of data.requests) note(request)
  show()
  if (!$('pause').checked) list()
}

function note(request) {
  if (requests.has(request.n)) return
  requests.set(request.n, request)
  const isFailed = ({ error, failures }) => error !== undefined || failures > 0
  for (const kind of [true, false]) {
    const of = [...requests.values()].filter((one) => isFailed(one) === kind)
    for (const { n } of of.slice(0, Math.max(0, of.length - KEPT))) requests.delete(n)
  }
}

// ---- Numbers

const totals = new Map()

function total(name, value, kind = '') {
  let [box, node] = totals.get(name) ?? []
  if (box === undefined) {
    node = make('dd')
    box = make('div', {}, make('dt', {}, name), node)
    totals.set(name, [box, node])
    $('totals').append(box)
  }
  say(node, value, kind)
}

function show() {
  const { health, requests: all, uptime } = status
  say($('state'), health.ready ? 'ready' : `not ready: ${health.reason}`, health.ready ? 'badge good' : 'badge bad')
  total('requests/s', rates === undefined ? '–' : rate(rates.perSecond))
  total('in flight', whole.format(all.inFlight))
  total('waiting', whole.format(all.waiting), all.waiting > 0 ? 'warn' : '')
  total('answered', whole.format(all.answered))
  total('failed', whole.format(all.failed), all.failed > 0 ? 'bad' : '')
  total('refused', whole.format(all.refused), all.refused > 0 ? 'warn' : '')
  total('late', whole.format(all.late), all.late > 0 ? 'warn' : '')
  total('up', span(uptime))
  for (const executor of status.executors) card(executor)
  ways()
  table()
}

// ---- The picture

const cards = new Map()
let lines = []

/** Which way there is more of it to see, and how large. */
function placed({ right, down }, width) {
  const scale = ({ width: own }) => Math.min(1, width / own)
  const wide = scale(right) >= 0.75 || scale(right) >= scale(down)
  return wide ? [right, true] : [down, false]
}

function picture() {
  const { picture: all } = about
  cards.clear()
  lines = []
  $('picture').parentElement.hidden = all === undefined
  if (all === undefined) return
  const room = Math.max(280, $('picture').clientWidth)
  const [{ width, height, boxes, lines: paths }, right] = placed(all, room)
  // Smaller than this nobody reads it: it is scrolled then.
  const whole = Math.min(width, room, (width * innerHeight * 0.7) / height)
  const shown = $('fit').checked ? whole : Math.max(Math.min(width, room), width * 0.82)
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, width: shown, height: (height * shown) / width, role: 'img' })
  svg.append(draw('title', {}, `${about.title}: ${plural(all.cards.length - 2, 'executor')}. Their numbers are in the table below.`))
  for (const [at, { from, to, floating }] of all.arrows.entries()) {
    const [x, y, w, h] = boxes[to]
    const end = right ? [x, y + h / 2] : [x + w / 2, y]
    const way = draw('path', { class: `way${floating ? ' floating' : ''}`, d: paths[at], 'stroke-width': 1.5 })
    const head = draw('path', { class: 'head', d: right ? `M${end[0]} ${end[1]}l-9 -5v10z` : `M${end[0]} ${end[1]}l-5 -9h10z` })
    const title = draw('title')
    way.append(title)
    svg.append(way, head)
    lines.push({ from: all.cards[from], to: all.cards[to], floating, way, head, title })
  }
  for (const [at, one] of all.cards.entries()) {
    const [x, y, w, h] = boxes[at]
    if (one.kind !== 'executor') {
      svg.append(
        draw(
          'g',
          {},
          draw('rect', { class: 'pill', x, y, width: w, height: h, rx: h / 2 }),
          draw('text', { class: 'on-pill', x: x + w / 2, y: y + h / 2 + 4.5 }, one.name),
        ),
      )
      continue
    }
    const text = (kind, dx, dy, value = '') => draw('text', { class: kind, x: x + dx, y: y + dy }, value)
    const parts = {
      box: draw('rect', { class: `card${one.floating ? ' floating' : ''}`, x: x + 0.5, y: y + 0.5, width: w - 1, height: h - 1, rx: 10 }),
      rate: text('rate', 14, 65),
      times: text('quiet', 14, 83),
      flight: text('', 14, 100),
      dots: draw('g'),
      title: draw('title'),
    }
    svg.append(
      draw(
        'g',
        { 'data-at': at },
        parts.title,
        parts.box,
        text('name', 14, 24, one.label),
        text(one.external ? 'origin external' : 'origin', 14, 41, one.about),
        parts.rate,
        parts.times,
        parts.flight,
        parts.dots,
      ),
    )
    cards.set(one.name, { ...parts, one, x, y, w })
  }
  svg.addEventListener('click', (event) => {
    const at = event.target.closest('g[data-at]')?.dataset.at
    if (at) rows.get(all.cards[at].name)?.reveal()
  })
  $('picture').replaceChildren(svg)
}

const failedOf = ({ replicas }) => replicas.reduce((sum, { failed }) => sum + failed, 0)
const doneOf = ({ replicas }) => replicas.reduce((sum, { answered }) => sum + answered, 0)
const stateOf = ({ state, breaker }) => (state === 'ok' && (breaker === undefined || breaker.state === 'closed') ? 'good' : state === 'stuck' ? 'bad' : 'warn')

function card(executor) {
  const parts = cards.get(executor.name)
  if (parts === undefined) return
  const { one, x, y, w } = parts
  const { perSecond = 0, p50, p99 } = perExecutor[executor.name] ?? {}
  const failed = failedOf(executor)
  say(parts.rate, `${rate(perSecond)}/s`)
  say(parts.times, p50 === undefined ? '' : `p50 ${ms(p50)} · p99 ${ms(p99)}`)
  const flight = [
    `${whole.format(executor.inFlight)} in flight`,
    executor.waiting > 0 && `${whole.format(executor.waiting)} wait`,
    failed > 0 && `${short.format(failed)} failed`,
  ]
    .filter(Boolean)
    .join(' · ')
  say(parts.flight, flight, failed > 0 ? 'bad' : executor.inFlight > 0 ? '' : 'quiet')
  say(parts.title, `${one.name}${executor.ready ? '' : ` ${executor.reason}`}`)
  parts.box.setAttribute('class', `card${one.floating ? ' floating' : ''}${executor.ready ? (executor.inFlight > 0 || perSecond > 0 ? ' busy' : '') : ' ill'}`)
  const states = executor.replicas.slice(0, 12).map((replica) => (executor.ready ? stateOf(replica) : 'bad'))
  if (parts.dots.dataset.states === states.join()) return
  parts.dots.dataset.states = states.join()
  parts.dots.replaceChildren(...states.map((state, at) => draw('circle', { class: `dot ${state}`, cx: x + w - 16 - at * 9, cy: y + 19, r: 3.5 })))
}

/** How many documents go from one to the next, a second. */
function ways() {
  for (const { from, to, floating, way, head, title } of lines) {
    const [source, target] = [perExecutor[from.name], perExecutor[to.name]]
    let docs = 0
    if (from.kind === 'start') docs = rates?.docsIn ?? 0
    else if (source !== undefined) docs = source.docsOut
    else if (to.kind === 'end') docs = rates?.docsOut ?? 0
    else docs = target?.docsIn ?? 0
    const width = 1.5 + Math.min(7.5, Math.log2(1 + docs) * 0.8)
    way.setAttribute('stroke-width', width.toFixed(1))
    const busy = docs > 0 ? ' busy' : ''
    way.setAttribute('class', `way${busy}${floating ? ' floating' : ''}`)
    head.setAttribute('class', `head${busy}`)
    say(title, `${from.name} → ${to.name}: ${rate(docs)} documents/s`)
  }
}

// ---- The table

const rows = new Map()
const COLUMNS = ['Executor', 'In flight', 'Waiting', 'Done/s', 'p50', 'p99', 'Done', 'Failed', 'Tried again', 'Replicas', 'Place']

function table() {
  const known = status.executors.map(({ name }) => name).join('\n')
  const table = $('executors')
  if (table.dataset.known !== known) {
    table.dataset.known = known
    rows.clear()
    const body = make('tbody')
    for (const { name } of status.executors) body.append(...rowOf(name))
    table.replaceChildren(
      make('thead', {}, make('tr', {}, ...COLUMNS.map((title) => make('th', { scope: 'col', class: title === 'Place' && 'left' }, title)))),
      body,
    )
  }
  for (const executor of status.executors) rows.get(executor.name)?.fill(executor)
}

function rowOf(name) {
  const button = make('button', { type: 'button', class: 'plain shut', 'aria-expanded': 'false' }, name)
  const cells = COLUMNS.slice(1).map((title) => make('td', { class: title === 'Place' && 'left wide' }))
  const list = make('tbody')
  const inner = make(
    'table',
    { 'aria-label': `Replicas of ${name}` },
    make(
      'thead',
      {},
      make('tr', {}, ...['Replica', 'State', 'In flight', 'Done', 'Failed', 'Lately', 'Where'].map((title) => make('th', { scope: 'col' }, title))),
    ),
    list,
  )
  const more = make('tr', { hidden: true }, make('td', { colspan: String(COLUMNS.length) }, inner))
  const row = make('tr', {}, make('th', { scope: 'row' }, button), ...cells)
  const ownCells = COLUMNS.slice(1).map((title) => make('td', { class: title === 'Place' && 'left wide' }))
  const own = make(
    'tr',
    { hidden: true, class: 'own quiet' },
    make('th', { scope: 'row' }, '↳ itself', make('span', { class: 'unseen' }, ` (${name})`)),
    ...ownCells,
  )
  const mute = make(
    'tr',
    { hidden: true, class: 'mute quiet' },
    make('th', { scope: 'row' }, '↳ itself', make('span', { class: 'unseen' }, ` (${name})`)),
    make('td', { colspan: String(COLUMNS.length - 1), class: 'left wide' }, 'tells no numbers: those above are as this gateway sees them'),
  )
  const unfold = (isOpen) => {
    more.hidden = !isOpen
    button.className = `plain ${isOpen ? 'open' : 'shut'}`
    button.setAttribute('aria-expanded', String(isOpen))
  }
  button.addEventListener('click', () => {
    unfold(more.hidden)
    show()
  })
  const placeOf = () => about.picture?.cards.find((one) => one.name === name)?.place ?? 'this process'
  const fill = (executor) => {
    const { perSecond = 0, p50, p99 } = perExecutor[name] ?? {}
    const failed = failedOf(executor)
    const well = executor.replicas.filter((replica) => stateOf(replica) === 'good').length
    const texts = [
      [whole.format(executor.inFlight)],
      [whole.format(executor.waiting), executor.waiting > 0 ? 'warn' : ''],
      [rate(perSecond)],
      [ms(p50)],
      [ms(p99)],
      [whole.format(doneOf(executor))],
      [whole.format(failed), failed > 0 ? 'bad' : ''],
      [executor.retried === undefined ? '–' : whole.format(executor.retried)],
      [`${well}/${executor.replicas.length}`, well < executor.replicas.length ? 'bad' : ''],
      [executor.ready ? placeOf() : executor.reason, `left wide${executor.ready ? '' : ' bad'}`],
    ]
    for (const [at, [text, kind = '']] of texts.entries()) say(cells[at], text, kind)
    const said = executor.replicas.flatMap((replica) => replica.said ?? [])
    own.hidden = said.length === 0
    mute.hidden = said.length > 0 || executor.replicas.every((replica) => replica.said === undefined)
    if (said.length > 0) for (const [at, [text, kind = '']] of ownTexts(said).entries()) say(ownCells[at], text, kind)
    if (more.hidden) return
    list.replaceChildren(
      ...executor.replicas.flatMap(({ replica, state, inFlight, answered, failed, milliseconds, address, breaker, said = [] }) => [
        make(
          'tr',
          {},
          make('th', { scope: 'row' }, String(replica)),
          make(
            'td',
            { class: stateOf({ state, breaker }) },
            breaker === undefined || breaker.state === 'closed' ? state : `${state}, breaker ${breaker.state}${breaker.reason ? `: ${breaker.reason}` : ''}`,
          ),
          ...[inFlight, answered, failed].map((count) => make('td', {}, whole.format(count))),
          make('td', {}, ms(milliseconds)),
          make('td', {}, address ?? placeOf()),
        ),
        ...said.map((one) => make('tr', { class: 'quiet' }, make('td', { colspan: '7', class: 'left wide' }, sentence(one)))),
      ]),
    )
  }
  const reveal = () => {
    unfold(true)
    show()
    button.focus()
  }
  rows.set(name, { fill, reveal })
  return [row, own, mute, more]
}

const sumOf = (said, name) => said.reduce((sum, one) => sum + (one[name] ?? 0), 0)
const longestOf = (said, name) => (said.some((one) => one[name] !== undefined) ? Math.max(...said.map((one) => one[name] ?? 0)) : undefined)
const rateOf = (said) => (said.some(({ perSecond }) => perSecond !== undefined) ? rate(Math.round(sumOf(said, 'perSecond') * 10) / 10) : '–')

/** What those elsewhere say themselves, for all who ask them, in the columns of the table: together, and the longest of their times. */
function ownTexts(said) {
  const [waiting, failed, well] = [sumOf(said, 'waiting'), sumOf(said, 'failed'), said.filter(({ ready }) => ready).length]
  return [
    [whole.format(sumOf(said, 'inFlight'))],
    [whole.format(waiting), waiting > 0 ? 'warn' : ''],
    [rateOf(said)],
    [ms(longestOf(said, 'p50'))],
    [ms(longestOf(said, 'p99'))],
    [whole.format(sumOf(said, 'answered'))],
    [whole.format(failed), failed > 0 ? 'bad' : ''],
    ['–'],
    [`${well}/${said.length}`, well < said.length ? 'bad' : ''],
    ['as it says, for all who ask it', 'left wide'],
  ]
}

/** The same of one address. */
function sentence(one) {
  const parts = [
    one.ready ? 'ready' : 'not ready',
    `${whole.format(one.inFlight)} in flight`,
    `${whole.format(one.waiting)} waiting`,
    `${rateOf([one])}/s`,
    `p50 ${ms(one.p50)}`,
    `p99 ${ms(one.p99)}`,
    `${whole.format(one.answered)} done`,
    `${whole.format(one.failed)} failed`,
  ]
  return `↳ itself${one.address === undefined ? '' : ` at ${one.address}`}: ${parts.join(' · ')}`
}

// ---- Requests

const items = new Map()
const TIME = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false }

function list() {
  const only = $('failed').checked
  const shown = [...requests.values()].filter(({ error, failures }) => !only || error !== undefined || failures > 0).sort((one, other) => other.n - one.n)
  const wanted = shown.slice(0, KEPT)
  say(
    $('some'),
    wanted.length === 0
      ? only
        ? 'None of those that are kept failed.'
        : 'None yet.'
      : `${plural(wanted.length, 'request')}. A sample where there are many: 20 a second, and 10 that failed.`,
  )
  const names = new Set(wanted.map(({ n }) => n))
  for (const [n, item] of items) {
    if (names.has(n) && requests.has(n)) continue
    item.remove()
    items.delete(n)
  }
  let before = $('requests').firstChild
  for (const request of wanted) {
    let item = items.get(request.n)
    if (item === undefined || !item.isConnected) {
      item = itemOf(request)
      items.set(request.n, item)
    }
    if (item === before) before = before.nextSibling
    else $('requests').insertBefore(item, before)
  }
}

function bars(request, of) {
  const scale = Math.max(request.ms, 0.01)
  const bar = make('i', { class: of[3] ? 'failed' : '' })
  bar.style.left = `${Math.min(99.5, (100 * of[1]) / scale)}%`
  bar.style.width = `${Math.max(0.5, Math.min(100, (100 * of[2]) / scale))}%`
  return bar
}

function itemOf(request) {
  const { endpoint, at, ms: took, docs, by, error, failures } = request
  const state =
    error !== undefined
      ? make('span', { class: 'bad' }, error)
      : failures > 0
        ? make('span', { class: 'warn' }, `${failures} failed`)
        : make('span', { class: 'quiet' }, plural(docs, 'doc'))
  const row = make(
    'button',
    { type: 'button', class: 'plain row', 'aria-expanded': 'false' },
    make('span', { class: 'time quiet' }, new Date(at).toLocaleTimeString('en-GB', TIME)),
    make('span', { class: 'endpoint' }, endpoint, make('span', { class: 'quiet' }, by === '' ? '' : ` ${by}`)),
    state,
    make('span', {}, ms(took)),
  )
  const strip = make('div', { class: 'strip', 'aria-hidden': 'true' }, ...request.way.map((stop) => bars(request, stop)))
  const item = make('li', {}, row, strip)
  let more
  row.addEventListener('click', () => {
    if (more === undefined) more = moreOf(request)
    else more.hidden = !more.hidden
    if (!more.isConnected) item.append(more)
    strip.hidden = !more.hidden
    row.setAttribute('aria-expanded', String(!more.hidden))
  })
  return item
}

/** The way of a request as a waterfall: each stop below the one before, where it began and as long as it took. */
function moreOf(request) {
  const { n, id, message, docs } = request
  const fall = make('div', { class: 'fall' })
  for (const stop of request.way.toSorted((one, other) => one[1] - other[1])) {
    const [executor, after, took, failed] = stop
    fall.append(
      make('span', { title: executor }, executor),
      make('span', { class: 'track', role: 'img', 'aria-label': `from ${ms(after)} on${failed ? ', failed' : ''}` }, bars(request, stop)),
      make('span', { class: failed ? 'took bad' : 'took' }, ms(took)),
    )
  }
  const more = make('div', { class: 'more' }, make('p', { class: 'quiet' }, `${id} · ${plural(docs, 'document')}`), fall)
  if (request.way.length === 0) more.append(make('p', { class: 'quiet' }, 'No executor had it.'))
  if (message !== undefined) more.append(make('pre', { class: 'bad' }, message))
  if (about.documents) {
    const button = make('button', { type: 'button' }, 'Documents')
    button.addEventListener('click', async () => {
      const response = await fetch(`ui/documents?of=${n}`, { headers: headers(), cache: 'no-store' }).catch(() => undefined)
      const text = response?.ok ? JSON.stringify(await response.json(), null, 2) : 'They are not kept any more.'
      button.replaceWith(make('pre', { tabindex: '0' }, text))
    })
    more.append(button)
  }
  return more
}

$('fit').addEventListener('change', () => {
  picture()
  show()
})
$('failed').addEventListener('change', list)
$('pause').addEventListener('change', list)

// ---- The form

let sending

const documentsIn = (text) =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => (line.trim().startsWith('{') ? JSON.parse(line) : { text: line }))

$('try').addEventListener('submit', async (event) => {
  event.preventDefault()
  let body
  try {
    const parameters = $('parameters').value.trim()
    body = JSON.stringify({
      data: documentsIn($('docs').value),
      parameters: parameters === '' ? {} : JSON.parse(parameters),
      execEndpoint: $('endpoint').value,
    })
  } catch (error) {
    say($('sent'), `This is no JSON: ${error.message}`, 'bad')
    return
  }
  $('answers').replaceChildren()
  $('send').disabled = true
  $('stop').disabled = false
  sending = new AbortController()
  const began = performance.now()
  let count = 0
  say($('sent'), 'Sent …', '')
  try {
    const response = await fetch('post', {
      method: 'POST',
      headers: headers({ 'content-type': 'application/json', accept: 'text/event-stream' }),
      body,
      signal: sending.signal,
    })
    if (!/event-stream/.test(response.headers.get('content-type') ?? '')) {
      answer('refused', await response.json().catch(() => ({ status: response.status })), true)
      say($('sent'), `Refused: ${response.status}`, 'bad')
      return
    }
    let failed = false
    for await (const { name, data } of events(response.body)) {
      if (name === 'end') continue
      failed ||= name === 'error'
      answer(name === 'response' ? 'answer' : name, data, name === 'error')
      say($('sent'), `${plural(++count, 'message')} in ${ms(performance.now() - began)}`, '')
    }
    say($('sent'), `${failed ? 'Failed' : 'Done'}: ${plural(count, 'message')} in ${ms(performance.now() - began)}`, failed ? 'bad' : 'good')
  } catch (error) {
    say(
      $('sent'),
      sending.signal.aborted ? `Stopped after ${plural(count, 'message')}` : `It did not get through: ${error.message}`,
      sending.signal.aborted ? 'warn' : 'bad',
    )
  } finally {
    $('send').disabled = false
    $('stop').disabled = true
  }
})

$('stop').addEventListener('click', () => sending?.abort())

function answer(kind, data, isFailed) {
  const docs = Array.isArray(data.data) ? data.data : []
  const said = data.header?.status?.description || (typeof data.detail === 'string' ? data.detail : '')
  const texts = docs.map(({ text }) => text).filter((text) => text)
  const json = JSON.stringify(data, null, 2)
  $('answers').append(
    make(
      'li',
      {},
      make('b', { class: isFailed ? 'bad' : kind === 'partial' ? 'quiet' : 'good' }, kind === 'partial' ? `partial ${data.ordinal + 1}` : kind),
      ` ${isFailed ? said : plural(docs.length, 'document')}`,
      texts.length > 0 ? make('pre', {}, texts.join('\n').slice(0, 4000)) : undefined,
      make('details', {}, make('summary', {}, 'JSON'), make('pre', { tabindex: '0' }, json.length > 20_000 ? `${json.slice(0, 20_000)}…` : json)),
    ),
  )
}

// Who has no mouse scrolls what is focused.
for (const area of document.querySelectorAll('.scroll')) {
  area.tabIndex = 0
  area.setAttribute('role', 'group')
  area.setAttribute('aria-labelledby', area.parentElement.getAttribute('aria-labelledby'))
}

let last = innerWidth
addEventListener('resize', () => {
  if (about.picture === undefined || Math.abs(innerWidth - last) < 40) return
  last = innerWidth
  picture()
  if (status !== undefined) show()
})
look()
