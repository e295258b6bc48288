// The page of these tests: shows what a test asks for, and tells what the hooks said. Bundled by react.fixture.ts.

import { type Binnacle, connect, textOf } from '@binnacle/client';
import {
  BinnacleProvider,
  SessionLog,
  SessionTerminal,
  useConversation,
  useSession,
  useSessions,
  useTraffic,
} from '@binnacle/client/react';
import { Profiler, StrictMode, useEffect } from 'react';
import { createRoot } from 'react-dom/client';

export interface Ask {
  readonly view: 'none' | 'log' | 'terminal' | 'both' | 'session' | 'sessions' | 'conversation' | 'traffic';
  /** Of a session, or the key of a conversation. */
  readonly id?: string;
  readonly strict?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: each view takes its own
  readonly props?: any;
}

/** What a test finds at `window.look`. */
export interface Look {
  readonly client: Binnacle;
  show(ask: Ask): void;
  /** What the hook of the view said last. */
  // biome-ignore lint/suspicious/noExplicitAny: each hook says its own
  said: any;
  /** Every `state` that it said, each once in a row. */
  readonly states: string[];
  commits: number;
  /** How often the component of the session hook was mounted. */
  mounts: number;
  /** Output of the session hook, as text. */
  text(): string;
  readonly textOf: typeof textOf;
}

const client = connect({ url: location.origin });
const root = createRoot(document.getElementById('root') as HTMLElement);
const look: Look = {
  client,
  show(ask) {
    const view = (
      <BinnacleProvider client={client}>
        <Profiler id="all" onRender={() => (look.commits += 1)}>
          <View {...ask} />
        </Profiler>
      </BinnacleProvider>
    );
    root.render(ask.strict === true ? <StrictMode>{view}</StrictMode> : view);
  },
  said: undefined,
  states: [],
  commits: 0,
  mounts: 0,
  text() {
    const decoder = new TextDecoder();
    let text = '';
    for (const chunk of look.said.chunks) {
      if (chunk.type === 'output') text += decoder.decode(chunk.bytes, { stream: true });
    }
    return text;
  },
  textOf,
};
Object.assign(window, { look });

function hear(said: { readonly state: string }): void {
  look.said = said;
  if (look.states.at(-1) !== said.state) look.states.push(said.state);
}

const FILL = { height: '100%' };
const MISSING = { load: () => Promise.reject(new Error('no such package')) };

function View({ view, id = '', props = {} }: Ask) {
  switch (view) {
    case 'none':
      return null;
    case 'log':
      return <SessionLog id={id} style={FILL} {...props} />;
    case 'terminal':
      return <SessionTerminal id={id} style={FILL} {...props} {...(props.isMissing === true ? MISSING : {})} />;
    case 'both':
      return (
        <>
          <Hearing id={id} props={{}} />
          <SessionTerminal id={id} style={{ height: '50%' }} />
          <SessionLog id={id} style={{ height: '50%' }} />
        </>
      );
    case 'session':
      return <Hearing id={id} props={props} />;
    case 'sessions':
      return <List props={props} />;
    case 'conversation':
      return <Talk id={id} />;
    case 'traffic':
      return <Traffic props={props} />;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: see Ask
type Props = { readonly id?: string; readonly props?: any };

function Hearing({ id = '', props }: Props) {
  const session = useSession(id, props);
  hear(session);
  useEffect(() => {
    look.mounts += 1;
  }, []);
  return <output>{session.chunks.bytes}</output>;
}

function List({ props }: Props) {
  const list = useSessions(props);
  hear(list);
  return <output>{list.sessions.map(({ name }) => name).join(',')}</output>;
}

function Talk({ id = '' }: Props) {
  const talk = useConversation(id);
  hear(talk);
  return <output>{talk.turns.length}</output>;
}

function Traffic({ props }: Props) {
  const traffic = useTraffic(props.filter, props.options);
  hear(traffic);
  return <output>{traffic.events.length}</output>;
}
