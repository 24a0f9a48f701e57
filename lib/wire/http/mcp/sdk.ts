import { missing } from '../../../base/dependency.js'
import { packageOfNode } from '../../../base/node.js'

const SDK = '@modelcontextprotocol/server'

/** The official SDK, which speaks the Model Context Protocol: how HTTP carries it is ours. */
export type Sdk = typeof import('@modelcontextprotocol/server')

/** @throws DependencyError (`ERR_DEPENDENCY`) without the package */
export async function loadSdk(): Promise<Sdk> {
  try {
    return await packageOfNode(SDK)
  } catch (cause) {
    throw missing(SDK, 'To offer endpoints as tools (mcp)', cause)
  }
}
