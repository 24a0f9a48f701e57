/** What a process, or the machine under it, may have run out of, and what to do: by the codes of the system. Each may be there again in a moment. */
const SHORT: Readonly<Record<string, string>> = {
  EMFILE: 'This process has as many files and connections open as it may: raise that limit (ulimit -n), or let fewer come at once',
  ENFILE: 'This machine has as many files open as it may: raise that limit (fs.file-max)',
  EAGAIN: 'No more threads or processes may be begun: raise that limit (ulimit -u)',
  ENOMEM: 'The machine has no memory left for it',
  ENOBUFS: 'The machine has no memory left for it',
  ENOSPC: 'The disk is full: make room on it',
  EDQUOT: 'Nothing more may be written to that disk: make room, or raise the quota',
}

/** The advice for an error that says that something has run out; nothing for others. */
export function shortage(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === 'string' && Object.hasOwn(SHORT, code) ? SHORT[code] : undefined
}
