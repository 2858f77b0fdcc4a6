-- The methods of Message that make it an S/MIME message (RFC 8551), in place.
-- smtplib.email.smime does the work, and is loaded when it is wanted.

local methods = require("smtplib.core").message.methods

--- Sign: the message becomes multipart/signed, what it was its first part. The
--- content is read once now, and once more when it is sent. `opaque`: it becomes
--- application/pkcs7-mime; the content is read now, and held in memory.
---@param opts smtplib.smime.signing
---@return userdata|nil # the message itself
---@return table|nil err
function methods:sign_smime(opts)
  local signed, err = require("smtplib.email.smime.compose").sign(self, opts)
  return signed, err
end

--- Encrypt: the message becomes application/pkcs7-mime; its header stays
--- readable, Subject included. The content is read now; an envelope above 1 MiB
--- waits, encrypted, in a temporary file.
---@param opts smtplib.smime.encrypting
---@return userdata|nil # the message itself
---@return table|nil err
function methods:encrypt_smime(opts)
  local encrypted, err = require("smtplib.email.smime.compose").encrypt(self, opts)
  return encrypted, err
end
