"""A server of gRPC's C core that lets go of connections after a while, and echoes what is sent to JinaRPC/Call until its stdin ends.

python aging.py '{"port": 1, "age": 200}'
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.stream_stream_rpc_method_handler(lambda requests, _: requests) if details.method.endswith('/Call') else None


def main(options):
    ages = [('grpc.max_connection_age_ms', options['age']), ('grpc.max_connection_age_grace_ms', 5000)]
    server = grpc.server(ThreadPoolExecutor(8), handlers=[Echo()], options=ages)
    server.add_insecure_port(f'127.0.0.1:{options["port"]}')
    server.start()
    print(json.dumps({'ready': True}), flush=True)
    while os.read(0, 1024):
        pass
    server.stop(0)


if __name__ == '__main__':
    main(json.loads(sys.argv[1]))
