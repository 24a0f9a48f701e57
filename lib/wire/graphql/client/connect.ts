import type { Address } from '../../address.js'
import { GraphQLConnection, type GraphQLConnectSettings } from './connection.js'

/** GraphQL of a server, whatever else it speaks. Nothing is connected before the first operation. */
export function connect(address: Address, settings: GraphQLConnectSettings): GraphQLConnection {
  return new GraphQLConnection(address, settings)
}
