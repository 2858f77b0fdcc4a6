-- The class Message: Python's email.message.Message and EmailMessage in one.
-- A message is userdata (core.message); each of these rooms gives it methods.

require "smtplib.email.message.header"
require "smtplib.email.message.typing"
require "smtplib.email.message.payload"
require "smtplib.email.message.content"
require "smtplib.email.message.search"
require "smtplib.email.message.printing"
require "smtplib.email.dkim"
require "smtplib.email.message.smime"

return require("smtplib.core").message.methods
