// The state of notifications in this browser, and the switch for them.

import type { Binnacle } from '@binnacle/client';
import type { BinnacleError } from '@binnacle/protocol';
import { useCallback, useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { hasWorkers, sendLogin, workerOf } from './register-worker.ts';

/**
 * `insecure`: browsers allow notifications over https and on localhost only. `install`: iPhones allow them on the home
 * screen only. `none`: this browser cannot. `refused`: the user denied the permission. `stopped`: the operator turned
 * them off.
 */
export type NotificationState = 'loading' | 'insecure' | 'install' | 'none' | 'refused' | 'stopped' | 'off' | 'on';

export interface NotificationControls {
  readonly state: NotificationState;
  readonly busy: boolean;
  readonly error: BinnacleError | undefined;
  /** True after a test was sent. */
  readonly sent: boolean;
  /**
   * True if the user is also notified when an agent is done, and not only when something waits; undefined until the
   * gateway has answered.
   */
  readonly done: boolean | undefined;
  readonly setDone: (done: boolean) => void;
  readonly turnOn: () => void;
  readonly turnOff: () => void;
  readonly test: () => void;
}

export function useNotifications(client: Binnacle): NotificationControls {
  const [state, setState] = useState<NotificationState>('loading');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const [sent, setSent] = useState(false);
  const [done, keepDone] = useState<boolean>();

  const act = useCallback((work: () => Promise<NotificationState | undefined>): void => {
    setBusy(true);
    setError(undefined);
    setSent(false);
    work()
      .then(
        (next) => next !== undefined && setState(next),
        (cause: unknown) => setError(asFailure(cause)),
      )
      .finally(() => setBusy(false));
  }, []);

  useEffect(() => act(() => stateNow(client)), [client, act]);

  // The setting applies to all browsers of this user, whether this one is notified or not.
  useEffect(() => {
    let isUnmounted = false;
    client.push.state().then(
      (state) => !isUnmounted && keepDone(state.done),
      (cause: unknown) => !isUnmounted && setError(asFailure(cause)),
    );
    return () => {
      isUnmounted = true;
    };
  }, [client]);
  const setDone = useCallback(
    (next: boolean) =>
      act(async () => {
        // Shown optimistically, like any pressed button.
        keepDone(next);
        try {
          await client.push.wish({ done: next });
        } catch (cause) {
          keepDone(!next);
          throw cause;
        }
        return undefined;
      }),
    [client, act],
  );

  const turnOn = useCallback(
    () =>
      act(async () => {
        // Requested within the click itself: browsers demand a user gesture.
        const permission = await Notification.requestPermission();
        if (permission === 'denied') return 'refused';
        if (permission !== 'granted') return 'off';
        const { publicKey } = await client.push.state();
        if (publicKey === null) return 'stopped';
        await subscribe(client, publicKey);
        return 'on';
      }),
    [client, act],
  );
  const turnOff = useCallback(
    () =>
      act(async () => {
        const subscription = await currentSubscription();
        if (subscription !== null) {
          await client.push.unsubscribe(subscription.endpoint);
          await subscription.unsubscribe();
        }
        return 'off';
      }),
    [client, act],
  );
  const test = useCallback(
    () =>
      act(async () => {
        await client.push.test((await currentSubscription())?.endpoint);
        setSent(true);
        return undefined;
      }),
    [client, act],
  );
  return { state, busy, error, sent, done, setDone, turnOn, turnOff, test };
}

async function stateNow(client: Binnacle): Promise<NotificationState> {
  if (!window.isSecureContext) return 'insecure';
  if (!hasWorkers() || !('PushManager' in window) || !('Notification' in window)) {
    return /iPhone|iPad/.test(navigator.userAgent) ? 'install' : 'none';
  }
  if (Notification.permission === 'denied') return 'refused';
  const { publicKey } = await client.push.state();
  if (publicKey === null) return 'stopped';
  const subscription = await currentSubscription();
  return subscription !== null && isFor(subscription, publicKey) ? 'on' : 'off';
}

/**
 * Renews the subscription at each start of the page: the gateway forgets a browser together with its login, and may
 * have a new key by now. Asks the user nothing.
 */
export async function renewSubscription(client: Binnacle): Promise<void> {
  const subscription = await currentSubscription();
  if (subscription === null || Notification.permission !== 'granted') return;
  const { publicKey } = await client.push.state();
  if (publicKey !== null) await subscribe(client, publicKey);
}

async function subscribe(client: Binnacle, publicKey: string): Promise<void> {
  await client.push.subscribe(await subscribed(publicKey));
  // The browser may replace its push address while no page is open.
  await sendLogin(client.headers);
}

async function currentSubscription(): Promise<PushSubscription | null> {
  return (await (await workerOf())?.pushManager?.getSubscription()) ?? null;
}

async function subscribed(publicKey: string) {
  const { pushManager } = await navigator.serviceWorker.ready;
  const known = await pushManager.getSubscription();
  // A subscription for an old key is unusable: nobody can send to it any more.
  if (known !== null && !isFor(known, publicKey)) await known.unsubscribe();
  const options = { userVisibleOnly: true, applicationServerKey: bytesOf(publicKey) };
  const { endpoint, expirationTime, keys } = (await pushManager.subscribe(options)).toJSON();
  return { endpoint: endpoint ?? '', expirationTime: expirationTime ?? null, keys: { p256dh: '', auth: '', ...keys } };
}

function isFor({ options }: PushSubscription, publicKey: string): boolean {
  const subscribedKey = options.applicationServerKey;
  const offered = bytesOf(publicKey);
  if (subscribedKey === null || subscribedKey.byteLength !== offered.length) return false;
  return new Uint8Array(subscribedKey).every((byte, at) => byte === offered[at]);
}

const bytesOf = (base64url: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
