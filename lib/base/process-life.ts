import { node } from './node.js'

// Numbers of processes are used again: one is the same if it began when that one did.

/** When a process began, in the ticks of Linux; 0 where nobody says so. */
export async function begunAt(pid: number): Promise<string> {
  const { readFile } = await node('fs/promises')
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  // Behind its name, which may have spaces and brackets.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
}

/** Whether the process of this number lives that began then. */
export async function lives(pid: number, begun: string): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ESRCH') return false
  }
  const now = await begunAt(pid)
  return now === '0' || now === begun
}
