import { it } from 'vitest';
import { openGateway, until } from '../gateway/gateway.fixture.ts';
it('x', async () => {
  const g = await openGateway();
  const s = await g.client.sessions.create({ argv: ['bash', '-c', 'printf "caf\\303"; sleep 0.3; printf "\\251\\n"; echo hi; printf "\\377bad\\n"; exit 3'] });
  await until('closed', async () => (await g.client.sessions.get(s.id)).state === 'closed');
  for (const f of ['cast', 'text', 'jsonl', 'markdown']) {
    const r = await g.fetch(`/v1/sessions/${s.id}/export?format=${f}`);
    console.log(r.status, r.headers.get('content-disposition'), r.headers.get('content-type'));
    console.log(await r.text());
  }
  const cast = await (await g.fetch(`/v1/sessions/${s.id}/export`)).text();
  const i = await g.fetch('/v1/recordings', { method: 'POST', body: cast });
  console.log(i.status); const j: any = await i.json(); console.log(JSON.stringify(j));
  console.log(await (await g.fetch(`/v1/sessions/${j.session.id}/export`)).text());
  console.log(await (await g.fetch(`/v1/sessions/${j.session.id}/export?format=markdown`)).text());
  console.log(await (await g.fetch('/v1/recordings', { method: 'POST', body: 'nope\n' })).text());
  await g.close();
});
