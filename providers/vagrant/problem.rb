# frozen_string_literal: true

module Lab
  # Something that keeps the machines from being made: the message says what, and what to do.
  # Vagrant shows its own errors without a backtrace; the tests run without Vagrant.
  class Problem < (defined?(Vagrant) ? Vagrant::Errors::VagrantError : StandardError)
    attr_reader :error_message

    def initialize(message)
      @error_message = message
      defined?(Vagrant) ? super() : super(message)
    end
  end
end
