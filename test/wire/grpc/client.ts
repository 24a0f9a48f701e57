// A client in a process of its own: posts to the address it is given, and does nothing else.
import { post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/grpc/client/connect.js'

for await (const _ of post(connect(process.argv[2]!), '/', [{ text: 'from elsewhere' }])) {
}
