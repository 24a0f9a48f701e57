import type { Response } from '../request/response.js'
export class Progress {
  constructor(readonly expected: number | undefined) {}
  count(_r: Response): void {}
  stop(_h: 'done' | 'failed' | 'stopped'): void {}
}
