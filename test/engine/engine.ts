// A real engine for the tests of containers: the one that this machine has, with an image of an executor. Where there is none, one line says so.
import { spawnSync } from 'node:child_process'
import { IMAGE } from './image.mjs'

/** Who begins containers, as for executors. */
export const COMMAND = process.env['SLUICE_DOCKER'] ?? 'docker'

export const docker = (...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(COMMAND, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${COMMAND} ${args[0]} ended with ${status}: ${stderr}`)
  return stdout.trim()
}

/** Containers of executors that are there, in whatever state: other suites have others. */
export const containers = (...executors: string[]): string[] =>
  executors.flatMap((executor) =>
    docker('ps', '--all', '--quiet', '--filter', 'label=sluice.owner', '--filter', `label=sluice.executor=${executor}`)
      .split('\n')
      .filter((id) => id !== ''),
  )

/** Why there is no engine to test with. */
export function missing(): string | undefined {
  const { status, error, stderr } = spawnSync(COMMAND, ['image', 'inspect', IMAGE], { encoding: 'utf8' })
  if (error !== undefined) return `there is no ${COMMAND} on the PATH`
  return status === 0 ? undefined : stderr.trim().split('\n')[0]
}

/**
 * Defines tests that need an engine. Where there is none, one line says why, and one test passes in place of all.
 * @param test uvu's
 */
export function withEngine(test: (name: string, body: () => void) => unknown, define: (image: string) => unknown): void {
  const why = missing()
  if (why === undefined) {
    define(`docker://${IMAGE}`)
    return
  }
  // test/run.mjs shows lines that begin so.
  console.log(`skipped: containers: ${why}. Run them by: node .ci/engine.mjs node test/run.mjs engine`)
  test('there is no engine to begin containers', () => {})
}
