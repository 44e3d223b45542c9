"""Opens and seals tokens with jwcrypto: one JSON command per line in, one JSON answer per line out.

The key of one encrypted token is derived here by the documented rule, with Python's own HMAC.
"""
import base64, hashlib, hmac, json, sys

from jwcrypto import jwe, jwk, jws, jwt


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_of(command, header):
    secret = unb64(command["key"])
    if header["alg"] == "HS256":
        return jwk.JWK(kty="oct", k=b64(secret))
    if header["alg"] == "EdDSA":
        # `key` is the public half, `seed` the other; only sealing has both.
        seed = {"d": command["seed"]} if "seed" in command else {}
        return jwk.JWK(kty="OKP", crv="Ed25519", x=b64(secret), **seed)
    # HKDF-Expand (RFC 5869 section 2.3), one block.
    info = b"unstick 2026-11 A256GCM " + header["salt"].encode()
    return jwk.JWK(kty="oct", k=b64(hmac.new(secret, info + b"\x01", hashlib.sha256).digest()))


def open_token(command):
    header = json.loads(unb64(command["token"].split(".")[0]))
    key = key_of(command, header)
    # Verifies the seal, and the claims named here; None stands for "by the clock".
    expected = {"iss": command["iss"], "aud": command["aud"], "exp": None, "nbf": None}
    token = jwt.JWT(jwt=command["token"], key=key, check_claims=expected)
    return {"header": header, "claims": json.loads(token.claims)}


def seal_token(command):
    header = command["header"]
    key = key_of(command, json.loads(header))
    if json.loads(header)["alg"] == "dir":
        token = jwe.JWE(command["claims"].encode(), protected=header)
        token.add_recipient(key)
    else:
        token = jws.JWS(command["claims"].encode())
        token.add_signature(key, protected=header)
    return {"token": token.serialize(compact=True)}


for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = open_token(command) if command["do"] == "open" else seal_token(command)
    except Exception as error:  # a refusal is an answer
        answer = {"refused": type(error).__name__ + ": " + str(error)}
    print(json.dumps(answer), flush=True)
