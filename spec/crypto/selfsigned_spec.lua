-- Certificates for the sink. That clients accept them, spec/sink proves.
local core = require "smtplib.core"

describe("a self-signed certificate", function()
  it("comes with its key, both as PEM, and never twice the same", function()
    local certificate, key = core.self_signed("mx.example")
    assert.truthy(certificate:find("^%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-\n"))
    assert.truthy(key:find("^%-%-%-%-%-BEGIN PRIVATE KEY%-%-%-%-%-\n"))
    assert.not_equal(certificate, (core.self_signed("mx.example")))
  end)

  it("is not made for what is no host name", function()
    for _, name in ipairs { "a,DNS:b", "a b", "a\n", ("a"):rep(254) } do
      local certificate, failure = core.self_signed(name)
      assert.is_nil(certificate)
      assert.equal("tls_setup", failure)
    end
  end)
end)
