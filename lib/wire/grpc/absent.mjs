// What stands for `@grpc/grpc-js` in a page, where nobody can speak gRPC: a Client says so before it comes here. The names are there for
// bundlers, some of which make nothing of a module that lacks one.
const absent = undefined

export {
  absent as ChannelCredentials,
  absent as Client,
  absent as compressionAlgorithms,
  absent as connectivityState,
  absent as Metadata,
  absent as Server,
  absent as ServerCredentials,
  absent as status,
}
