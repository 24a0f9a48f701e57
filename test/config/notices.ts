// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EXECUTOR_KEYS, METAS_KEYS } from '../../lib/config/executor-keys.js'
import { loadFlow } from '../../lib/config/flow.js'
import { FLOW_KEYS } from '../../lib/config/flow-keys.js'
import type { LoadConfigOptions } from '../../lib/config/reading.js'
import { ConfigError, Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
const load = (file: string | URL, options: LoadConfigOptions = {}): Promise<Flow<string>> => loadFlow(file, (options) => new Flow<string>(options), options)

test('F8 what has no effect is told, each key once, with its line', async () => {
  const file = folder.file(
    'flow.yml',
    'jtype: Flow\nwith:\n  uvicorn_kwargs: {}\n  logConfig: x\nexecutors:\n  - gpus: all\n    quiet: true\n  - gpus: 2\n    metrics: null\n',
  )
  const notices: string[] = []
  await load(file, { onNotice: (notice) => notices.push(notice) })
  assert.equal(notices, [
    `${file}:3: uvicorn_kwargs has no effect: the server here has no such setting`,
    `${file}:4: logConfig has no effect: nothing is logged here but what fails`,
    `${file}:7: quiet has no effect: nothing is logged here but what fails`,
    `${file}:6: gpus has no effect: this executor runs in no container`,
  ])
})

test('F8 by default, console.warn is told once, and not of a load that failed', async () => {
  const { warn } = console
  const told: unknown[][] = []
  console.warn = (...args) => told.push(args)
  try {
    await load('jtype: Flow\nwith:\n  proxy: true\n  inspect: x\n')
    await load('jtype: Flow\nwith:\n  proxy: true\n  inspekt: x\n').catch(() => {})
    await load('jtype: Flow\n')
  } finally {
    console.warn = warn
  }
  assert.is(told.length, 1)
  assert.match(told[0]![0] as string, /^configuration:3: proxy has .*\nconfiguration:4: inspect has [^\n]*$/)
})

test('F8 shards of Jina 3.x ask all, which is told', async () => {
  const notices: string[] = []
  await load('jtype: Flow\nexecutors:\n  - shards: 2\n  - shards: 2\n    polling: { /search: ALL }\n', { onNotice: (notice) => notices.push(notice) })
  assert.is(notices.length, 1)
  assert.match(notices[0]!, /:3: the default that Jina 3\.x has for shards .*here, ANY holds for every endpoint.*\/search: ALL/)
})

test('F8 shards of Jina 3.x that all are asked are so but for /index, and what holds here is what the file says', async () => {
  const notices: string[] = []
  await load('jtype: Flow\nexecutors:\n  - { shards: 2, polling: all }\n', { onNotice: (notice) => notices.push(notice) })
  assert.is(notices.length, 1)
  assert.match(notices[0]!, /here, ALL holds for every endpoint\. Write polling: \{ \/index: ANY, '\*': ALL \} to send that to one of them/)
})

const JINA_EXECUTOR =
  'name workspace log_config quiet quiet_error workspace_id extra_search_paths timeout_ctrl k8s_namespace polling shards replicas native uses uses_with uses_metas ' +
  'uses_requests uses_dynamic_batching py_modules output_array_type exit_on_exceptions no_reduce disable_reduce grpc_server_options protocol protocols ssl_certfile ' +
  'ssl_keyfile entrypoint docker_kwargs volumes gpus disable_auto_volume host host_in runtime_cls timeout_ready env env_from_secret shard_id pod_role noblock_on_start ' +
  'floating reload install_requirements port port_in monitoring port_monitoring retries tracing traces_exporter_host traces_exporter_port metrics metrics_exporter_host ' +
  'metrics_exporter_port force_update force prefer_platform compression uses_before_address uses_after_address connection_list timeout_send uses_before uses_after when ' +
  'external grpc_metadata deployment_role tls identity static_routing_table routing_table zmq_identity port_ctrl ctrl_with_ipc ssh_server ssh_keyfile ssh_password ' +
  'port_out hosts_in_connect host_out socket_in socket_out memory_hwm on_error_strategy num_part dynamic_routing_out dynamic_routing_in grpc_data_requests ' +
  'runs_in_docker dump_path k8s_connection_pool pull_latest port_jinad quiet_remote_logs upload_files disable_remote daemon runtime_backend runtime expose_public pea_id ' +
  'pea_role parallel scheduling peas_hosts no_dynamic_routing connect_to_predecessor k8s_uses_init k8s_mount_path k8s_init_container_command k8s_custom_resource_dir needs'
const JINA_FLOW =
  'name workspace log_config quiet quiet_error workspace_id suppress_root_logging uses reload env inspect k8s_namespace static_routing_table routing_table infrastructure ' +
  'prefetch title description cors no_debug_endpoints no_crud_endpoints expose_endpoints uvicorn_kwargs ssl_certfile ssl_keyfile expose_graphql_endpoint protocol protocols ' +
  'host host_in proxy grpc_server_options graph_description graph_conditions deployments_addresses deployments_metadata compression timeout_send runtime_cls timeout_ready ' +
  'env_from_secret port port_expose port_in ports monitoring port_monitoring retries tracing traces_exporter_host traces_exporter_port metrics metrics_exporter_host ' +
  'metrics_exporter_port prefetch_on_recv default_swagger_ui compress compress_min_bytes compress_min_ratio tls asyncio replicas shards polling'

test('F7 every key of Jina 2.x and 3.x is known', () => {
  const camel = (name: string): string => name.replace(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())
  const missing = (names: string, keys: object): string[] => names.split(' ').filter((name) => !Object.hasOwn(keys, camel(name)))
  assert.equal(missing(JINA_EXECUTOR, EXECUTOR_KEYS), [])
  assert.equal(missing(JINA_FLOW, FLOW_KEYS), [])
  assert.equal(missing('name description url keywords workspace py_modules read_only', METAS_KEYS), [])
})

test('F7 a file is named by its path, its URL, or given as text', async () => {
  const file = folder.file('named.yml', 'jtype: Flow\nwith: { name: named }\n')
  for (const from of [
    file,
    pathToFileURL(file),
    pathToFileURL(file).href,
    'jtype: Flow\nwith: { name: named }\n',
    '\ufeffjtype: Flow\r\nwith: { name: named }',
  ])
    assert.is((await load(from)).name, 'named')
  for (const from of ['http://localhost/flow.yml', new URL('data:text/plain,jtype: Flow')]) {
    const error = await load(from).catch((error: unknown) => error)
    assert.instance(error, ConfigError)
    assert.match((error as Error).message, /path or its file: URL/)
  }
})

test('R89 what is no file is not read', async () => {
  for (const file of [folder.path, '/dev/zero']) {
    const error = await load(file).catch((error: unknown) => error)
    assert.instance(error, ConfigError)
    assert.match((error as Error).message, /not a file/)
  }
})

test.run()
