import { flag, integers, type Rule, ruled, string } from '../base/check.js'
import { optionRange } from '../base/errors.js'

/** What a Flow, or a gateway, is told of telemetry: Jina's options. */
export interface FlowTelemetry {
  readonly tracing?: boolean | undefined
  readonly tracesExporterHost?: string | undefined
  readonly tracesExporterPort?: number | undefined
  readonly metrics?: boolean | undefined
  readonly metricsExporterHost?: string | undefined
  readonly metricsExporterPort?: number | undefined
  readonly monitoring?: boolean | undefined
  readonly portMonitoring?: number | undefined
}

/** What is told by an instrumented process. */
export interface Telemetry extends AsyncDisposable {
  /** Jina's metrics since it began, in Prometheus' text format; nothing, without `metrics`. */
  prometheus(): string
  /** Ends it, once all have who began it; what waits to be exported is sent, as far as the collector takes it in 2.5 seconds. */
  close(): Promise<void>
}

/** Where OTLP over gRPC goes, as Jina has it. */
export interface Target {
  readonly host?: string | undefined
  readonly port?: number | undefined
}

/** As OpenTelemetry's collector listens. */
const PORT = 4317

/**
 * `http://127.0.0.1:4317`: in the open, as Jina sends it. A host may bring its scheme; `https` is TLS.
 * @param name what the host is called where it is none
 * @throws OptionRangeError (`ERR_OPTION_RANGE`) for a host that is none
 */
export function endpointOf({ host = '127.0.0.1', port }: Target, name = 'The host of an exporter'): string {
  const [, scheme = 'http:', given = ''] = /^(https?:)?(?:\/\/)?(.*?)\/?$/s.exec(host)!
  // An IPv6 address as it is written without a port.
  const bare = /^[\da-f:]*:[\da-f:]*:[\da-f:.]*$/i.test(given) ? `[${given}]` : given
  const own = /:(\d+)$/.exec(bare.replace(/^\[.*\]/, ''))?.[1]
  const authority = own === undefined ? bare : bare.slice(0, -own.length - 1)
  if (!/^(\[[\da-f:.]+\]|[\w.-]+)$/i.test(authority)) throw optionRange(name, "a name or an address, such as 'collector' or 'https://collector:4317'", host)
  return `${scheme}//${authority}:${port ?? own ?? PORT}`
}

function exporterHost(name: string, value: string): void {
  string(name, value)
  endpointOf({ host: value }, name)
}

export const TELEMETRY_RULES: Record<keyof FlowTelemetry, Rule> = {
  ...ruled(flag, 'tracing metrics monitoring'),
  ...ruled(exporterHost, 'tracesExporterHost metricsExporterHost'),
  ...ruled(integers(0, 65_535), 'tracesExporterPort metricsExporterPort portMonitoring'),
}

/** Whether anything of it is wanted. */
export function wantsTelemetry({ tracing, metrics, monitoring, portMonitoring }: FlowTelemetry): boolean {
  return [tracing, metrics, monitoring].includes(true) || portMonitoring !== undefined
}
