// Failure format of OAuth (RFC 6749, 5.2): OAuth's codes, mapped from the gateway's.

import { BinnacleError, defined } from '@binnacle/protocol';
import type { Dialect } from '../http/answer.ts';
import { z } from '../http/routes.ts';

export type OAuthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_client_metadata'
  | 'invalid_redirect_uri'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unsupported_grant_type'
  | 'unsupported_response_type';

/** An OAuth failure. `back`: the redirect URI to return the person to, once it is validated. */
export class OAuthFailure extends BinnacleError {
  readonly oauth: OAuthCode;

  constructor(oauth: OAuthCode, message: string, back?: string) {
    super('bad_request', {
      message,
      hint: 'Remove the server from the program and add it again, so that it begins anew.',
      details: { oauth, ...defined({ back }) },
    });
    this.oauth = oauth;
  }
}

export const OAUTH: Dialect = {
  tokenHeaders: [],
  failure: (error) => ({
    status: error instanceof OAuthFailure && error.oauth === 'invalid_client' ? 401 : error.status,
    body: {
      error: error instanceof OAuthFailure ? error.oauth : error.status >= 500 ? 'server_error' : 'invalid_request',
      error_description: error.message,
    },
  }),
  schema: z.object({ error: z.string(), error_description: z.string() }).openapi('OAuthError'),
};
