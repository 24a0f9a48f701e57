import { optionRange } from '../../../base/errors.js'
import type { Settings } from '../options.js'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What is done at a route. */
export type Task = 'alive' | 'ready' | 'dryRun' | 'status' | 'metrics' | 'openapi' | 'page' | 'live' | 'liveEvents' | 'liveDocuments' | 'mcp' | 'work'

/** One path by one method. */
export interface Route {
  readonly path: string
  readonly method: Method
  readonly task: Task
  /** Of the executors; not given where the body says it. */
  readonly endpoint?: string | undefined
  readonly summary: string
  readonly description?: string | undefined
  readonly tags: readonly string[]
  /** It is there whether executors have its endpoint or not. */
  readonly isGeneral?: true
}

/** Everything that is offered: what requests are led by, and `/openapi.json` is made of. */
export function routesOf({ noDebugEndpoints, noCrudEndpoints, exposeEndpoints = {}, metrics, live, mcp }: Settings): Route[] {
  const about = (path: string, task: Task, summary: string): Route => ({ path, method: 'GET', task, summary, tags: ['Health'] })
  const routes: Route[] = [
    about('/', 'alive', 'Whether the service is up'),
    about('/healthz', 'alive', 'Whether the service is up: for liveness probes'),
    about('/ready', 'ready', 'Whether the service takes requests: for readiness probes. 503 while it does not'),
    { path: '/openapi.json', method: 'GET', task: 'openapi', summary: 'This description', tags: ['Docs'] },
    { path: '/docs', method: 'GET', task: 'page', summary: 'A page to read it and to try requests', tags: ['Docs'] },
    { path: '/docs/page.js', method: 'GET', task: 'page', summary: 'The script of the page', tags: ['Docs'] },
    { path: '/docs/page.css', method: 'GET', task: 'page', summary: 'The style of the page', tags: ['Docs'] },
  ]
  if (!noDebugEndpoints) {
    routes.push(
      { path: '/dry_run', method: 'GET', task: 'dryRun', summary: 'Send a request without documents through all executors', tags: ['Debug'] },
      { path: '/status', method: 'GET', task: 'status', summary: 'Versions of what runs here', tags: ['Debug'] },
      { path: '/post', method: 'POST', task: 'work', summary: 'Send documents to any endpoint of the executors', tags: ['Debug'] },
    )
  }
  if (metrics !== undefined) routes.push({ path: '/metrics', method: 'GET', task: 'metrics', summary: 'Jina’s metrics, for Prometheus', tags: ['Debug'] })
  if (live !== undefined) {
    routes.push(
      { path: '/ui', method: 'GET', task: 'live', summary: 'A page that shows what goes on', tags: ['Debug'] },
      { path: '/ui/events', method: 'GET', task: 'liveEvents', summary: 'What it shows, each second, as server-sent events', tags: ['Debug'] },
      { path: '/ui/documents', method: 'GET', task: 'liveDocuments', summary: 'Documents of one of the last requests, where they are shown', tags: ['Debug'] },
    )
  }
  if (mcp) routes.push({ path: '/mcp', method: 'POST', task: 'mcp', summary: 'Endpoints as tools, for agents: the Model Context Protocol', tags: ['MCP'] })
  if (!noCrudEndpoints) {
    for (const [endpoint, method] of CRUD)
      routes.push({
        path: endpoint,
        method,
        task: 'work',
        endpoint,
        summary: `Send documents to ${endpoint} of the executors`,
        tags: ['CRUD'],
        isGeneral: true,
      })
  }
  for (const [endpoint, { path = endpoint, methods = ['POST'] as const, summary, description, tags }] of Object.entries(exposeEndpoints)) {
    for (const method of methods) {
      // What is named by hand wins over what is there by default.
      const taken = routes.findIndex((route) => route.path === path && route.method === method)
      const route: Route = {
        path,
        method,
        task: 'work',
        endpoint,
        summary: summary ?? `Send documents to ${endpoint} of the executors`,
        description,
        tags: tags ?? ['Customized'],
      }
      // Prometheus, or an agent, would read something else there, and nobody would know.
      const { task } = routes[taken] ?? {}
      if (task === 'metrics' || task === 'mcp')
        throw optionRange(`exposeEndpoints[${JSON.stringify(endpoint)}].path`, `another path than that of ${task}`, path)
      if (taken === -1) routes.push(route)
      else routes[taken] = route
    }
  }
  return routes
}

/** By the methods that Jina offers them. */
const CRUD: readonly (readonly [string, Method])[] = [
  ['/index', 'POST'],
  ['/search', 'POST'],
  ['/update', 'PUT'],
  ['/delete', 'DELETE'],
]
