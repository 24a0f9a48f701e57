// In a Flow: new Flow().add({ name: 'shout', uses: 'docker://shout' })
import { Executor } from 'sluice'

export class Shout extends Executor {
  static requests = { '/': 'shout' }

  shout({ docs }) {
    for (const doc of docs) doc.text = `${doc.text.toUpperCase()}!`
  }
}
