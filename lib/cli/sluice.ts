#!/usr/bin/env node
// The command, which imports nothing itself: so it can say in words why what it consists of cannot be loaded.
import('./main.js').catch((error: NodeJS.ErrnoException) => {
  const advice = error?.code === 'EMFILE' ? '. This process may have too few files open at once: raise that limit (ulimit -n)' : ''
  process.stderr.write(`sluice: it cannot start: ${error?.message ?? error}${advice}\n`)
  process.exitCode = 1
})
