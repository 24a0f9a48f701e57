import type { Plan } from '../flow/options.js'
import { OURS, writeAll } from './files.js'
import { kubernetesFiles } from './kubernetes.js'
import { checkKubernetesOptions, type KubernetesOptions } from './options.js'
import { noted, write } from './text.js'
import { dns } from './unit.js'

/**
 * Writes a Flow down for `kubectl apply -k`: `base` has the files of {@link toKubernetes}, `overlays/production` what is different there, to be edited: one that is there stays.
 * @returns the files that were written
 * @throws as `toKubernetes` does
 */
export async function toKustomize(plan: Plan, folder: string, options: KubernetesOptions = {}): Promise<string[]> {
  const { namespace, ...checked } = checkKubernetesOptions(options)
  const base = await kubernetesFiles(plan, checked)
  const head = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' }
  const images = [...new Set(Object.values(base).flatMap((text) => [...text.matchAll(/^\s+image: "?([^"\n]+?)"?$/gm)].map(([, image]) => image!)))].sort()
  const overlay = 'overlays/production/kustomization.yml'
  const all = {
    ...Object.fromEntries(Object.entries(base).map(([name, text]) => [`base/${name}`, text])),
    'base/kustomization.yml': await write([{ ...head, resources: Object.keys(base) }], `The Flow ${plan.name}, as it is everywhere.\n${OURS}.`),
    [overlay]: await write(
      [
        {
          ...head,
          namespace: noted('It has to be there: kubectl create namespace …', namespace ?? dns(plan.name)),
          resources: ['../../base'],
          images: noted('What runs there: newTag, or digest for what was tried.', images.map(imageOf)),
        },
      ],
      `What is different of ${plan.name} in production: kubectl apply -k overlays/production\n${OURS}, which leaves it as it is from then on.`,
    ),
  }
  return writeAll(folder, all, [overlay])
}

/** An image as kustomize names it. */
function imageOf(image: string): object {
  const [named = '', digest] = image.split('@')
  const [, name = named, tag] = /^(.*?)(?::([\w.-]+))?$/.exec(named) ?? []
  return { name, ...(digest !== undefined ? { digest } : { newTag: tag ?? 'latest' }) }
}
