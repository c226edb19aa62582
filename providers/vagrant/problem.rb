# frozen_string_literal: true

module Lab
  # Why no machine can be made, and how to fix it.
  # Vagrant shows its own errors without a backtrace; the Ruby tests run without Vagrant.
  class Problem < (defined?(Vagrant) ? Vagrant::Errors::VagrantError : StandardError)
    attr_reader :error_message

    def initialize(message)
      @error_message = message
      defined?(Vagrant) ? super() : super(message)
    end
  end
end
