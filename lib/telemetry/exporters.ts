import type { TracerProvider } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { MetricReader } from '@opentelemetry/sdk-metrics'
import { peer } from './peers.js'
import { Ids, Sampling, samplerOfEnvironment } from './sampling.js'

/** A provider of our own, and its end, which sends what waits. */
export interface Exporting<Provider> {
  readonly provider: Provider
  close(): Promise<void>
}

/** Sends spans in batches, to an address as `endpointOf` gives it. Which are sampled, `OTEL_TRACES_SAMPLER` says; all, by default. */
export async function exportSpans(service: string, url: string): Promise<Exporting<TracerProvider> & { readonly sampling: Sampling | undefined }> {
  const [sdk, { OTLPTraceExporter }, resource] = await Promise.all([
    peer('@opentelemetry/sdk-trace-base'),
    peer('@opentelemetry/exporter-trace-otlp-grpc'),
    resourceOf(service),
  ])
  const idGenerator = new Ids()
  const sampler = samplerOfEnvironment(sdk)
  const spanProcessors = [new sdk.BatchSpanProcessor(new OTLPTraceExporter({ url }))]
  const provider = new sdk.BasicTracerProvider({ resource, spanProcessors, idGenerator, ...(sampler && { sampler }) })
  return { provider, sampling: sampler && new Sampling(sampler, idGenerator), close: () => provider.shutdown() }
}

/** The same for numbers: a reader asks for them each minute unless `OTEL_METRIC_EXPORT_INTERVAL` says otherwise, and at the end. */
export async function exportMetrics(url: string): Promise<Exporting<MetricReader>> {
  const [{ PeriodicExportingMetricReader }, { OTLPMetricExporter }] = await Promise.all([
    peer('@opentelemetry/sdk-metrics'),
    peer('@opentelemetry/exporter-metrics-otlp-grpc'),
  ])
  const interval = Number(globalThis.process?.env.OTEL_METRIC_EXPORT_INTERVAL)
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url }),
    ...(interval > 0 && { exportIntervalMillis: interval, exportTimeoutMillis: Math.min(30_000, interval) }),
  })
  return { provider: reader, close: () => reader.shutdown() }
}

/** What tells: by the name of the service, unless the environment names it, and what else the environment says; in Kubernetes, as Jina has it. */
export async function resourceOf(service: string | undefined): Promise<Resource> {
  const { defaultResource, resourceFromAttributes, detectResources, envDetector } = await peer('@opentelemetry/resources')
  const env = globalThis.process?.env ?? {}
  const cluster = Object.fromEntries(
    Object.entries({
      'k8s.namespace.name': env.K8S_NAMESPACE_NAME,
      'k8s.deployment.name': env.K8S_DEPLOYMENT_NAME,
      'k8s.pod.name': env.K8S_POD_NAME,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  return defaultResource()
    .merge(resourceFromAttributes({ ...(service !== undefined && { 'service.name': service }), ...cluster }))
    .merge(detectResources({ detectors: [envDetector] }))
}
