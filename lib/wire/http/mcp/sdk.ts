import { missing } from '../../../base/dependency.js'
import { packageOfNode } from '../../../base/node.js'

const SDK = '@modelcontextprotocol/sdk'

type Protocol = typeof import('@modelcontextprotocol/sdk/types.js')

/** What is used of the official SDK, which speaks the Model Context Protocol: how HTTP carries it is ours. */
export interface Sdk extends Protocol {
  readonly Server: typeof import('@modelcontextprotocol/sdk/server/index.js').Server
}

/** @throws DependencyError (`ERR_DEPENDENCY`) without the package */
export async function loadSdk(): Promise<Sdk> {
  try {
    const [{ Server }, types] = await Promise.all([packageOfNode(`${SDK}/server/index.js`), packageOfNode(`${SDK}/types.js`)])
    return { ...types, Server }
  } catch (cause) {
    throw missing(SDK, 'To offer endpoints as tools (mcp)', cause)
  }
}
