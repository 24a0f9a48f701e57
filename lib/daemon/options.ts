import { check, integers, memory, type Rule, some, string } from '../base/check.js'
import { OptionRangeError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import { GATEWAY_RULES, type GatewayOptions } from '../gateway/options.js'
import { isLoopback } from '../wire/hosts.js'

/** How a daemon listens, and what it takes. */
export interface DaemonOptions extends Pick<GatewayOptions, 'host' | 'tls' | 'token' | 'tokenFile' | 'allowedHosts' | 'onError'> {
  /** Default 8000, as jinad has it; 0 is one that is free. */
  port?: number | undefined
  /** The folder below which each executor has its own. Packages are found from there upwards. Default `.sluice/daemon`, in the folder that the process runs in. */
  folder?: string | undefined
  /** The most processes and containers of executors at once. Default 16. */
  maxExecutors?: number | undefined
  /** The most memory that the heap of one process, or one container, may have, and has where its Flow does not say: bytes, or a text such as `'512m'`. Default: what node, or the engine, gives it. */
  maxMemory?: number | string | undefined
  /** The most bytes of files that one executor may come with. Default 100 MiB. */
  maxUploadBytes?: number | undefined
  /** The most files. Default 1000. */
  maxUploadFiles?: number | undefined
  /** Told of what comes, goes and fails. Default: none. */
  logger?: Logger | undefined
}

const { host, tls, token, tokenFile, allowedHosts, onError, logger } = GATEWAY_RULES
const RULES: Record<keyof DaemonOptions, Rule> = {
  ...{ host, tls, token, tokenFile, allowedHosts, onError, logger },
  port: integers(0, 65_535),
  folder: string,
  maxExecutors: some,
  maxMemory: memory,
  maxUploadBytes: integers(0),
  maxUploadFiles: integers(0),
}

/** Where each executor waits for its own. */
export const DEFAULTS = {
  port: 8000,
  host: '127.0.0.1',
  folder: '.sluice/daemon',
  maxExecutors: 16,
  maxUploadBytes: 100 << 20,
  maxUploadFiles: 1000,
} as const

/**
 * @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option; also for a host beyond this machine without both `tls` and a token: who
 * reaches a daemon runs code there
 */
export function checkDaemonOptions(options: DaemonOptions): DaemonOptions {
  check('Daemon', options, RULES)
  const { host = DEFAULTS.host } = options
  if (!isLoopback(host)) needsBoth(host, options)
  return options
}

/** @throws as {@link checkDaemonOptions} does */
export function needsBoth(host: string, { tls, token, tokenFile }: DaemonOptions): void {
  const missing = [...(tls === undefined ? ['tls'] : []), ...(token === undefined && tokenFile === undefined ? ['a token'] : [])]
  if (missing.length > 0)
    throw new OptionRangeError(
      `host must be this machine, such as 127.0.0.1, without ${missing.join(' and ')}, not ${JSON.stringify(host)}: who reaches a daemon runs code here. Give a key with its certificate, and a token`,
    )
}
