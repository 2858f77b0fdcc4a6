-- Channel bindings: both ends compute the same bytes, other connections others.
local core = require "smtplib.core"
local pair = require "spec.support.tlspair"

local function open(version, cert)
  return pair.connect(pair.client_context { max_version = version },
    pair.server_context(cert or "server"), { peer = "p" })
end

local function same(client, server, kind)
  local type_a, a = client:binding(kind)
  local type_b, b = server:binding(kind)
  assert.are.equal(type_a, type_b)
  assert.are.equal(a, b)
  return type_a, a
end

describe("a channel binding", function()
  it("is tls-exporter in TLS 1.3 (RFC 9266): 32 bytes, another on each connection", function()
    local kind, bytes = same(open("TLSv1.3"))
    assert.are.equal("tls-exporter", kind)
    assert.are.equal(32, #bytes)
    assert.are_not.equal(bytes, select(2, same(open("TLSv1.3"))))
  end)

  it("is tls-unique in TLS 1.2: 12 bytes, another on each connection", function()
    local kind, bytes = same(open("TLSv1.2"))
    assert.are.equal("tls-unique", kind)
    assert.are.equal(12, #bytes)
    assert.are_not.equal(bytes, select(2, same(open("TLSv1.2"))))
  end)

  it("is the same at both ends of a resumed connection, and new", function()
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      local client_context, server_context = pair.client_context { max_version = version }, pair.server_context("server")
      local client, server = pair.connect(client_context, server_context, { peer = "p" })
      local _, first = same(client, server)
      pair.finish(client, server)
      client:close()
      client, server = pair.connect(client_context, server_context, { peer = "p" })
      assert.is_true(client:resumed())
      local _, second = same(client, server)
      assert.are_not.equal(first, second)
      same(client, server, "tls-server-end-point")
    end
  end)

  it("tls-server-end-point is the hash of the certificate, by its own signature's hash (RFC 5929)", function()
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      local client, server = open(version)
      local kind, bytes = same(client, server, "tls-server-end-point")
      assert.are.equal("tls-server-end-point", kind)
      local hex = bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
      assert.are.equal(client:fingerprint(), "sha256:" .. hex)
    end
  end)

  it("tls-server-end-point follows SHA-512, and is missing for Ed25519", function()
    local client, server = open("TLSv1.3", "server-sha512")
    local _, bytes = same(client, server, "tls-server-end-point")
    assert.are.equal(64, #bytes)
    local blind = pair.client_context { verify = false }
    client = pair.connect(blind, pair.server_context("selfsigned"))
    local kind, name = client:binding("tls-server-end-point")
    assert.is_nil(kind)
    assert.are.equal("mechanism", name)
  end)

  it("that a version does not have is refused", function()
    local client = open("TLSv1.3")
    assert.are.equal("mechanism", select(2, client:binding("tls-unique")))
    client = open("TLSv1.2")
    assert.are.equal("mechanism", select(2, client:binding("tls-exporter")))
  end)

  it("does not exist before the handshake, nor after a failure", function()
    local client = core.tls(pair.client_context(), "localhost")
    assert.are.equal("state", select(2, client:binding()))
    client = open("TLSv1.3", "expired")
    assert.are.equal("state", select(2, client:binding()))
  end)

  it("of an unknown type is misuse", function()
    local client = open("TLSv1.3")
    assert.has_error(function() client:binding("tls-foo") end)
  end)
end)
